import pytest

from tftransfer.results import extras


def test_what_is_missing_is_named_with_the_command_that_installs_it():
    extras.require("pandas", "scipy")
    with pytest.raises(ImportError, match=r"not_there_1.*pip install 'tftransfer\[report\]'") as error:
        extras.require("pandas", "not_there_1")
    assert "pandas" not in str(error.value)
