import pytest

from novis.data.downloads.pages import WebPageError, is_page, refuse_page


@pytest.mark.parametrize(
    "head",
    [
        b"<!DOCTYPE html><html></html>",
        b"<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>",
        b"\r\n \t<html lang='en'>",
        b"\xef\xbb\xbf<HTML>",
        b"<!-- a --> <!-- b\n --><html>",
        b"<?xml version='1.0'?>\n<!DOCTYPE html>",
        b"<head><title>x</title>",
        b"<body class='x'>",
    ],
)
def test_pages_are_recognised(head):
    assert is_page(head)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"PK\x03\x04<html>",
        b'{"videos": "<html>"}',
        b"<htmlish>",
        b"<?xml version='1.0'?><annotation>",
        b"\x80\x04\x95",
        b"<!-- never closed <html>",
    ],
)
def test_files_are_no_pages(head):
    assert not is_page(head)
    refuse_page(head, "source", "target")


@pytest.mark.parametrize(
    ("html", "advice"),
    [
        ("<title>Quota exceeded</title>", "after a day"),
        ("<title>Sign in</title>", "sign in with a browser"),
        ("<title>Login</title>", "sign in with a browser"),
        ("<title>Down for maintenance</title>", "to see what has become of the file"),
    ],
)
def test_the_message_says_what_to_do(html, advice):
    with pytest.raises(
        WebPageError, match=rf"^there: is a web page .*{advice}.* belongs at here; then run again$"
    ):
        refuse_page(f"<html>{html}".encode(), "there", "here")


def test_a_title_is_one_printable_line():
    with pytest.raises(WebPageError, match=r"\('Ab c'\)"):
        refuse_page(b"<html><TITLE id=1>\n A\x1bb\n c \n</TITLE>", "there", "here")


def test_a_page_without_a_title_is_named_so():
    with pytest.raises(WebPageError, match="'no title'"):
        refuse_page(b"<html>", "there", "here")


def test_a_long_head_without_an_end_is_read_quickly():
    assert not is_page(b"<!--" * 1000)
    assert not is_page(b" " * 4096)
