"""Adam, by torch's own kernel, without what the class in torch.optim loads at its first use.

torch.optim.Optimizer imports torch's compiler, which takes 2.5 seconds of every run and is not
used here. The steps are those of torch.optim.Adam(fused=True), to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam


class Adam:
    """Kingma & Ba 2015, algorithm 1.

    groups: mappings with "params" and, if it differs from `learning_rate`, "lr"; other entries are
    kept for whoever schedules. param_groups: the same, whose "lr" may be set before a step.
    """

    def __init__(
        self,
        groups: Iterable[Tensor] | Sequence[dict[str, Any]],
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
    ) -> None:
        listed: list[Any] = list(groups)
        if listed and isinstance(listed[0], Tensor):
            listed = [{"params": listed}]
        self.param_groups: list[dict[str, Any]] = [
            {"lr": learning_rate, **group, "params": list(group["params"])} for group in listed
        ]
        self._betas = betas
        self._moments: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self._parameters():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Change each parameter that has a gradient."""
        for group in self.param_groups:
            changed = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not changed:
                continue
            moments = [self._of(parameter) for parameter in changed]
            steps, means, squares = (list(part) for part in zip(*moments, strict=True))
            adam(
                changed,
                [parameter.grad for parameter in changed],
                means,
                squares,
                [],
                steps,
                # One pass over the weights: three times as fast, also on the CPU.
                fused=True,
                amsgrad=False,
                beta1=self._betas[0],
                beta2=self._betas[1],
                lr=group["lr"],
                weight_decay=0.0,
                eps=1e-8,
                maximize=False,
            )

    def state_dict(self) -> dict[str, Any]:
        """Steps and moments of each parameter, by its number."""
        names = ("step", "exp_avg", "exp_avg_sq")
        state = {
            number: dict(zip(names, self._moments[parameter], strict=True))
            for number, parameter in enumerate(self._parameters())
            if parameter in self._moments
        }
        shapes = [tuple(parameter.shape) for parameter in self._parameters()]
        return {"state": state, "shapes": shapes}

    def load_state_dict(self, stored: dict[str, Any]) -> None:
        """Go on from what state_dict gave; ValueError if it is of other parameters."""
        parameters = self._parameters()
        if [tuple(shape) for shape in stored["shapes"]] != [tuple(p.shape) for p in parameters]:
            raise ValueError("the state is that of other parameters")
        self._moments = {
            parameters[number]: (
                # Counted in float32 where the fused kernel runs, whatever the parameter is.
                entry["step"].to(parameters[number].device, torch.float32).clone(),
                entry["exp_avg"].to(parameters[number]).clone(),
                entry["exp_avg_sq"].to(parameters[number]).clone(),
            )
            for number, entry in stored["state"].items()
        }

    def _of(self, parameter: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if parameter not in self._moments:
            count = torch.zeros((), dtype=torch.float32, device=parameter.device)
            zeros = torch.zeros_like(parameter, memory_format=torch.preserve_format)
            self._moments[parameter] = (count, zeros, zeros.clone())
        return self._moments[parameter]

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]
