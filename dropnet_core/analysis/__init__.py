"""From records to numbers: intervals, paired differences, the published curves, kappa, departures from the paper."""
