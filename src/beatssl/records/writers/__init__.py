"""Records written to files of other programs: WFDB, EDF+, CSV and DICOM."""
