"""The optimiser against torch.optim.Adam, and that it loads no compiler."""

import subprocess
import sys

import pytest
import torch

from gmmflex.engine.model.mixture.adam import Adam

SEED = 5


def _start():
    random = torch.Generator().manual_seed(SEED)
    return [torch.randn(shape, generator=random).requires_grad_() for shape in ((7, 3), (4,))]


def _learn(optimiser, parameters, steps, rates):
    for step in range(steps):
        optimiser.zero_grad()
        wide, small = parameters
        loss = (wide.square().sum() - 1 + step).square() + (small - 0.5).pow(4).sum()
        # the second rests now and then: its moments and its count stay
        (loss if step % 3 else loss.detach() + wide.square().sum()).backward()
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate / (1 + step)
        optimiser.step()


def test_steps_are_those_of_torch_to_the_last_bit():
    print(f"seed {SEED}")
    mine, theirs = _start(), _start()
    betas = (0.9, 0.99)
    own = Adam([{"params": [p], "share": 1.0} for p in mine], betas=betas)
    torchs = torch.optim.Adam([{"params": [p]} for p in theirs], betas=betas, fused=True)
    for optimiser, parameters in ((own, mine), (torchs, theirs)):
        _learn(optimiser, parameters, 20, (0.05, 0.2))
    for found, expected in zip(mine, theirs, strict=True):
        assert torch.equal(found, expected)
    assert own.param_groups[0]["share"] == 1.0


def test_goes_on_from_its_state(tmp_path):
    whole, first = _start(), _start()
    _learn(Adam(whole), whole, 8, (0.1,))
    optimiser = Adam(first)
    _learn(optimiser, first, 0, (0.1,))
    torch.save(optimiser.state_dict(), tmp_path / "new.pt")
    optimiser.load_state_dict(torch.load(tmp_path / "new.pt", weights_only=True))
    _learn(optimiser, first, 8, (0.1,))
    assert all(torch.equal(a, b) for a, b in zip(first, whole, strict=True))
    torch.save(optimiser.state_dict(), tmp_path / "state.pt")
    stored = torch.load(tmp_path / "state.pt", weights_only=True)
    later = [parameter.detach().clone().requires_grad_() for parameter in first]
    going_on = Adam(later)
    going_on.load_state_dict(stored)
    _learn(optimiser, first, 5, (0.1,))
    _learn(going_on, later, 5, (0.1,))
    assert all(torch.equal(a, b) for a, b in zip(first, later, strict=True))


def test_the_state_of_other_parameters_is_refused():
    parameters = _start()
    with pytest.raises(ValueError, match="other parameters"):
        Adam(parameters[:1]).load_state_dict(Adam(parameters).state_dict())


def test_a_step_loads_no_compiler():
    program = (
        "import sys, torch\n"
        "from gmmflex.engine.model.mixture.adam import Adam\n"
        "weight = torch.ones(3, requires_grad=True)\n"
        "optimiser = Adam([weight])\n"
        "weight.sum().backward()\n"
        "optimiser.step()\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
