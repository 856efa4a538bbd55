import pytest
import torch

from dropnet_core.repeatable import repeatable


def test_settings_hold_while_it_lasts_and_come_back():
    torch.set_num_threads(2)
    before = torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic
    with pytest.raises(KeyError), repeatable():
        assert torch.get_num_threads() == 1
        assert not torch.backends.cudnn.allow_tf32
        assert torch.backends.cudnn.deterministic
        raise KeyError
    assert torch.get_num_threads() == 2
    assert (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.deterministic) == before
