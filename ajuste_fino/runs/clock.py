"""Where the time of a run goes."""

import time


class Clock:
    """Measures seconds by part and in total."""

    def __init__(self) -> None:
        self.begun, self.parts, self.now = time.perf_counter(), dict[str, float](), ""

    def start(self, part: str) -> None:
        self.stop()
        self.now, self.since = part, time.perf_counter()

    def stop(self) -> None:
        if self.now:
            self.parts[self.now] = self.parts.get(self.now, 0.0) + time.perf_counter() - self.since
        self.now = ""

    def metrics(self) -> dict[str, float]:
        total = time.perf_counter() - self.begun
        return {f"time/{part}_s": round(s, 2) for part, s in {**self.parts, "total": total}.items()}
