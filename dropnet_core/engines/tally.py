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

    def add(self, log_probability: Tensor, labels: Tensor) -> None:
        """Count log probabilities (steps, members, classes, images) with labels (steps, images).

        The answer is the first of the most probable classes. max() would name it, in several times the time.
        """
        members, answer = len(self.loss), labels[:, None, None]
        chosen = log_probability.gather(2, answer.expand(-1, members, -1, -1))
        earlier = log_probability.masked_fill(self.classes >= answer, -torch.inf).amax(2, keepdim=True)
        best = log_probability.amax(2, keepdim=True)
        right = (chosen == best) & (earlier < chosen)
        right |= best.isnan() & (answer == 0)  # of numbers that are none, the first
        self.loss -= chosen.transpose(0, 1).reshape(members, -1).sum(1, dtype=torch.float64)
        self.right += right.sum(dim=(0, 2, 3))

    def means(self, images: int) -> tuple[list[float], list[float]]:
        """Mean loss and accuracy of each member."""
        return (self.loss / images).tolist(), (self.right.double() / images).tolist()
