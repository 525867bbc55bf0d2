"""A page on this machine that names what is on an image, and the same for programs."""

from ajuste_fino.serve.application import application, require_gradio
from ajuste_fino.serve.examiner import Examined, Examiner
from ajuste_fino.serve.neighbours import Neighbours

__all__ = ["Examined", "Examiner", "Neighbours", "application", "require_gradio"]
