"""What users' applications hold: their receivers, and the paths at which these are reached."""
