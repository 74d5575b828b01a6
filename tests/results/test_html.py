from tftransfer.results import html


def test_texts_of_others_are_no_markup():
    text = html.page(html.pairs([("<b>", "a & b\x1b")]))
    assert "&lt;b&gt;" in text
    assert "a &amp; b" in text
    assert "\x1b" not in text


def test_a_curve_goes_from_the_first_to_the_last_evaluation():
    svg = html.curve({"step": [10, 20, 40], "val_top1": [0.1, None, 0.5]})
    assert 'points="80.0,108.0 320.0,60.0"' in svg
    assert "last 50.0 %" in svg


def test_one_evaluation_is_no_curve():
    assert html.curve({"step": [10], "val_top1": [0.1]}) == html.curve({}) == ""
