import dataclasses

import pytest

from tftransfer.cli import options
from tftransfer.execution.run_config import RunConfig


def test_every_field_has_what_a_flag_needs():
    for field in dataclasses.fields(RunConfig):
        assert field.metadata["help"], field.name
        assert field.metadata["section"] in options.SECTIONS, field.name


@pytest.mark.parametrize(
    ("check", "fine", "wrong", "expected"),
    [
        (options.at_least(1), 1, 0, "at least 1, at most 1,000,000,000"),
        (options.above(0), 1e-9, 0, "more than 0"),
        (options.within(0, 1), 0, 1, "from 0 to below 1"),
        (options.one_of(("one", "two")), "two", "twp", "one of one, two (did you mean two?)"),
        (options.plain_name, "a-b_c.1", "../a", "at most 120 ASCII letters, digits, '.', '_', '-', no '.' first"),
        (options.name_list, "a,b", "a,a", "NAME,NAME,... each once"),
        (options.auto_or_minutes, "2.5", "inf", "auto or a number of minutes of at least 0"),
        (options.no_nul, "a/b", "a\0b", "a path without NUL characters"),
    ],
)
def test_checks_say_what_was_expected(check, fine, wrong, expected):
    assert check(fine) is None
    assert check(wrong) == expected


def test_a_field_out_of_range_is_named_with_its_help_and_value():
    @dataclasses.dataclass(frozen=True)
    class Oven:
        heat: float = options.option(0.5, options.MACHINE, "how hot", options.within(0, 1))

    options.check_fields(Oven())
    with pytest.raises(ValueError, match=r"^Bad --heat \(how hot\)\. Expected from 0 to below 1\. Received: 2\.0$"):
        options.check_fields(Oven(2.0))
    with pytest.raises(ValueError, match="finite"):
        options.check_fields(Oven(float("nan")))
