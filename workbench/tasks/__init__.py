"""What is learned: tasks, and streams of them."""

from workbench.tasks.digits import STREAMS, make_stream
from workbench.tasks.stream import SCENARIOS, Examples, Stream, Task

__all__ = ["SCENARIOS", "STREAMS", "Examples", "Stream", "Task", "make_stream"]
