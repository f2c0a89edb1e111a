"""Fair comparisons: the same task, the same rules, the same number of tries for all."""
