"""Room 4: stacking, selection and calibration of members."""
