"""What is refused, as the page is to show it."""

from dataclasses import dataclass


@dataclass
class Refused(Exception):
    """A request that is not answered: HTTP status, a fixed word, and a sentence that names no path of this machine."""

    status: int
    reason: str
    message: str

    def __reduce__(self) -> tuple[type["Refused"], tuple[int, str, str]]:
        return type(self), (self.status, self.reason, self.message)
