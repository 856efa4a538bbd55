"""Data sets as uint8 tensors: found, checked, split as in the paper, known by a checksum."""

from dropnet_core.data.catalogue import DATA_SETS, load, register
from dropnet_core.data.dataset import DataSet, Split, checksum, pixels
from dropnet_core.data.splits import stratified_rows

__all__ = ["DATA_SETS", "DataSet", "Split", "checksum", "load", "pixels", "register", "stratified_rows"]
