"""svdmv: one picture in, a 21-view orbit and a textured mesh out."""

__version__ = "0.1.0"
