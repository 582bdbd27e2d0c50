"""How the files of sites compare with their releases: results, and what people accepted."""

__all__ = ["acceptance", "file_checks"]
