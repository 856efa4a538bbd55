"""How good the networks of a stack are: losses and right answers, added up over an epoch."""

import torch
from torch import Tensor


class Tally:
    """Summed losses and right answers of each member."""

    def __init__(self, members: int, classes: int, device: torch.device) -> None:
        self.loss = torch.zeros(members, dtype=torch.float64, device=device)
        self.right = torch.zeros(members, dtype=torch.int64, device=device)
        self.classes = torch.arange(classes, device=device)[:, None]

    def clear(self) -> None:
        self.loss.zero_()
        self.right.zero_()

    def add(self, logits: Tensor, log_probabilities: Tensor, labels: Tensor) -> None:
        """Count the answers of some steps: logits and their log probabilities (steps, members, classes, images),
        labels (steps, images).

        An answer is the first class with the largest logit, or the first whose logit is no number, as argmax() names
        it in ten times the time.
        """
        members, answer = len(self.loss), labels[:, None, None]
        index = answer.expand(-1, members, -1, -1)
        chosen, best = logits.gather(2, index), logits.amax(2, keepdim=True)
        earlier = logits.masked_fill(self.classes >= answer, -torch.inf).amax(2, keepdim=True)
        right = (chosen == best) & ((earlier < chosen) | (answer == 0))
        right |= chosen.isnan() & ~earlier.isnan()
        self.right += right.sum(dim=(0, 2, 3))
        chosen = log_probabilities.gather(2, index)
        self.loss -= chosen.transpose(0, 1).reshape(members, -1).sum(1, dtype=torch.float64)

    def means(self, images: int) -> tuple[list[float], list[float]]:
        """Mean loss and accuracy of each member."""
        return (self.loss / images).tolist(), (self.right.double() / images).tolist()
