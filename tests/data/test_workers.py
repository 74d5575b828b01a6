import pytest

from tftransfer.data.workers import Workers


class TestWorkers:
    def test_results_come_in_order(self):
        with Workers(2) as workers:
            assert list(workers.map(divmod, ((number, 3) for number in range(20)))) == [divmod(n, 3) for n in range(20)]

    def test_what_a_call_raises_is_raised(self):
        with pytest.raises(ZeroDivisionError), Workers(1) as workers:
            list(workers.map(divmod, [(1, 0)]))

    def test_printing_does_not_harm(self):
        with Workers(1) as workers:
            assert list(workers.map(print, [("a line from a worker",)])) == [None]
