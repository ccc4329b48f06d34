"""Any picture -> the subject alone, framed for the network; and how high the camera stood."""

from svdmv.subject.elevation import ESTIMATORS, ElevationEstimate, estimate_elevation
from svdmv.subject.framing import FramedSubject, frame_subject
from svdmv.subject.segmentation import SEGMENTERS, Segmentation

__all__ = [
    "ESTIMATORS",
    "SEGMENTERS",
    "ElevationEstimate",
    "FramedSubject",
    "Segmentation",
    "estimate_elevation",
    "frame_subject",
]
