import pytest
import torch

from dropnet_core.basics.precision import switches
from dropnet_core.basics.repeatable import repeatable


def test_settings_hold_while_it_lasts_and_come_back():
    torch.set_num_threads(2)
    before = [getattr(owner, name) for owner, name, *_ in switches()]
    assert torch.backends.cudnn.allow_tf32  # PyTorch's default for convolutions
    deterministic = torch.backends.cudnn.deterministic
    with pytest.raises(KeyError), repeatable():
        assert torch.get_num_threads() == 1
        assert [getattr(owner, name) for owner, name, *_ in switches()] == ["ieee"] * 4
        assert torch.backends.cudnn.deterministic
        raise KeyError
    assert torch.get_num_threads() == 2
    assert [getattr(owner, name) for owner, name, *_ in switches()] == before
    assert torch.backends.cudnn.deterministic == deterministic
