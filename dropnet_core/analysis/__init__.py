"""From records to numbers: intervals, paired differences, the published curves, kappa, readings of the rules."""
