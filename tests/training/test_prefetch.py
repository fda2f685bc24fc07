import pytest

from beatssl.training.prefetch import prefetched


def test_prefetched_items_come_in_order_and_errors_come_through():
    assert list(prefetched(iter(range(50)))) == list(range(50))

    def broken():
        yield 1
        raise OSError("the disk is gone")

    items = prefetched(broken())
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(items)


def test_prefetching_ends_when_nobody_wants_more():
    asked: list[int] = []
    endless = prefetched((asked.append(number) or number for number in range(10**9)), ahead=2)
    assert next(endless) == 0
    endless.close()
    assert len(asked) < 10
