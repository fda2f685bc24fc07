import io

import pytest
from rich.console import Console

from beatssl.progress import progress, track


def terminal() -> tuple[io.StringIO, Console]:
    text = io.StringIO()
    return text, Console(file=text, force_terminal=True, width=120)


def test_off_a_terminal_nothing_is_printed(capsys):
    with progress("Reading", total=3) as advance:
        advance(1)
    assert list(track(range(3), "Reading")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_count_rate_and_remaining_time():
    text, console = terminal()
    with progress("Reading", total=4, unit="beats", console=console) as advance:
        for _ in range(4):
            advance(1)
    assert "Reading" in text.getvalue()
    assert "4/4" in text.getvalue()
    assert "beats/s" in text.getvalue()
    assert "0:00:00" in text.getvalue()


def test_bytes_are_shown_as_sizes():
    text, console = terminal()
    with progress("Fetching", total=2_000_000, unit="bytes", console=console) as advance:
        advance(2_000_000)
    assert "2.0/2.0 MB" in text.getvalue()


def test_items_of_unknown_number_are_counted():
    text, console = terminal()
    assert list(track(iter("abc"), "Reading", console=console)) == ["a", "b", "c"]
    assert "3/?" in text.getvalue()


def test_the_bar_goes_away_when_the_work_fails():
    _, console = terminal()
    with pytest.raises(KeyError), progress("Reading", console=console):
        raise KeyError
    with progress("Again", console=console) as advance:
        advance(1)
