"""The embedded default data set: a cohort of twelve-lead records from a moving dipole, with the truth about each.

Model: sums of Gaussians on three axes, after McSharry et al., IEEE Trans Biomed Eng 2003;50:289, and Sameni et al.,
EURASIP J Adv Signal Process 2007:043407, here placed at beat times and durations rather than at phases of a cycle.
"""

from beatssl.records.synthetic.cohort import SUPERCLASS, SyntheticReader, synthetic_record

__all__ = ["SUPERCLASS", "SyntheticReader", "synthetic_record"]
