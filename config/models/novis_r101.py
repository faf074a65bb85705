# NOVIS with a ResNet-101.

_base_ = ["novis_r50.py"]

model = dict(backbone=dict(depths=[3, 4, 23, 3]))
