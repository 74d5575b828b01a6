"""Tables, figures and sentences of a study, laid out as Markdown, HTML and CSV.

`collected` computes, `output` writes.
"""

__all__ = ["collected", "drawing", "output"]
