"""Frames scored as images by pycocotools: a reference from outside."""

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.evaluation.builders import rle as encode


def image_stats(scene, frames, area_ranges=None):
    """Twelve numbers of pycocotools, each (video id, frame) of ``frames`` an image; None for -1."""
    images = {place: number + 1 for number, place in enumerate(frames)}
    entries = [
        {
            "id": number + 1,
            "image_id": image,
            "category_id": drawn.category,
            "segmentation": rle,
            "area": int(mask.sum()),
            "iscrowd": int(drawn.crowd),
            "bbox": [0, 0, 1, 1],
        }
        for number, (image, drawn, mask, rle) in enumerate(_visible(images, scene.truth))
    ]
    results = [
        {"image_id": image, "category_id": drawn.category, "segmentation": rle, "score": drawn.score}
        for image, drawn, _, rle in _visible(images, scene.predictions)
    ]
    reference = COCO()
    shape = {"height": scene.videos[0].height, "width": scene.videos[0].width}
    reference.dataset = {
        "info": {},
        "images": [{"id": image, **shape} for image in images.values()],
        "categories": [{"id": id_} for id_ in scene.categories],
        "annotations": entries,
    }
    reference.createIndex()
    evaluation = COCOeval(reference, reference.loadRes(results), "segm")
    if area_ranges is not None:
        evaluation.params.areaRng = [list(bounds) for bounds in area_ranges.values()]
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    names = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")
    names += ("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large")
    return {name: None if value == -1 else value for name, value in zip(names, evaluation.stats, strict=True)}


def _visible(images, side):
    """(image, drawn, mask, rle) of everything that has a mask in an image."""
    for (video_id, frame), image in images.items():
        for drawn in side:
            if drawn.video_id == video_id:
                mask = drawn.masks[frame]
                if mask is not None and mask.any():
                    yield image, drawn, mask, encode(mask)
