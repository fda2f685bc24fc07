"""Batches made by a thread while the network trains on earlier ones."""

import queue
import threading
from collections.abc import Generator, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Iterator[Item], ahead: int = 2) -> Generator[Item, None, None]:
    """The same items, made by a thread up to `ahead` before they are asked for. Its errors are raised here.

    With 0 there is no thread: items are made when asked for.
    """
    if ahead < 1:
        yield from items
        return
    ready: queue.Queue[tuple[str, Item | BaseException | None]] = queue.Queue(ahead)
    stop = threading.Event()

    def put(kind: str, value: "Item | BaseException | None") -> None:
        while not stop.is_set():
            try:
                ready.put((kind, value), timeout=0.1)
                return
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put("item", item)
                if stop.is_set():
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            kind, value = ready.get()
            if kind == "end":
                return
            if kind == "error":
                assert isinstance(value, BaseException)
                raise value
            yield value  # pyrefly: ignore[invalid-yield]
    finally:
        stop.set()
        thread.join()
