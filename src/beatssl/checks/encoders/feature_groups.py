"""The record features in groups: by wave, rhythm, axes, VCG and median beat."""

import re

_PATTERNS = (
    ("median beat", r"beat_component_"),
    ("VCG", r"(qrs|t)_(loop|no_dipole|turning|t_spatial|t_peak_angle)|.*_azimuth_|ventricular_gradient|st_vector"),
    ("VCG", r"qrs_(turning|speed)"),
    ("axes", r"(p|qrs|t)_(initial_|terminal_)?axis_|qrs_t_frontal"),
    ("rhythm", r"beat_|rate_|rr_|early_|pause_|class_|f_wave|unlike_beat|noise_"),
    ("P", r"p_|pr_|shape_sd_p_"),
    ("ST", r"st_"),
    ("T", r"t_|tp_|qt|jt_|j_to_t|shape_sd_t_"),
)
QRS = "QRS"
GROUPS = ("P", QRS, "ST", "T", "rhythm", "axes", "VCG", "median beat")


def group_of(feature: str) -> str:
    """The group of a feature, by its name: the first pattern that fits; QRS, voltages and conduction are the rest."""
    return next((group for group, pattern in _PATTERNS if re.match(pattern, feature)), QRS)
