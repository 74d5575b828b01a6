import pytest

from tftransfer.calls import CommandError


@pytest.mark.parametrize(("code", "meaning"), [(3, "diverged"), (2, "bad input"), (-9, "signal 9"), (77, "failed")])
def test_an_exit_code_is_said_in_words(code, meaning):
    error = CommandError("the message", code, result="study")
    assert (str(error), error.exit_code, error.result) == ("the message", code, "study")
    assert meaning in error.meaning
    assert not isinstance(error, ValueError)
