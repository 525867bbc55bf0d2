"""The three layers that torch does not have: their definitions, their gradients, and that they reach none of torch's layers."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from ajuste_fino.scratch import functional as F
from ajuste_fino.scratch import nn
from tests.scratch.reference import values
from tests.scratch.test_nn import recorded

LAYERS = [
    (nn.WeightedAvgPool2d(2), (2, 3, 6, 6)),
    (nn.WeightedAvgPool2d((3, 2), 2, 1), (2, 3, 7, 6)),
    (nn.WeightedAvgPool2d(3, weight=torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]])), (3, 6, 6)),
    (nn.ChannelMaxPool(3), (2, 6, 4, 3)),
    (nn.ChannelMaxPool(2, 1), (5, 4, 3)),
    (nn.WeightScaledDropout(0.3), (6, 5)),
    (nn.WeightScaledDropout(0.3).eval(), (6, 5)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda value: str(value))
def test_gradients_against_differences(layer, shape):
    layer = layer.double()

    def run(x, *parameters):
        torch.manual_seed(0)
        return torch.func.functional_call(layer, dict(zip(dict(layer.named_parameters()), parameters, strict=True)), (x,))

    inputs = (values(shape, torch.float64).requires_grad_(), *(p.detach().requires_grad_() for p in layer.parameters()))
    assert gradcheck(run, inputs)
    assert gradgradcheck(run, inputs, fast_mode=True)
    assert recorded(layer, values(shape, torch.float64)) == set()


def test_a_learned_mask_begins_as_the_mean_and_learns():
    layer, x = nn.WeightedAvgPool2d(2), values((2, 3, 6, 6))
    torch.testing.assert_close(layer(x), torch.nn.functional.avg_pool2d(x, 2))
    layer(x).square().sum().backward()
    assert layer.weight.grad.abs().sum() > 0


def test_a_given_mask_weighs_and_is_no_parameter():
    mask = torch.tensor([[1.0, 0], [0, 3]])
    layer = nn.WeightedAvgPool2d(2, weight=mask)
    assert not list(layer.parameters())
    assert "weight" in layer.state_dict()
    x = torch.tensor([[[[4.0, 100], [100, 8]]]])
    assert layer(x).item() == 7  # (1 · 4 + 3 · 8) / 4


def test_channels_compete():
    x = torch.tensor([[1.0, 5], [3, 2], [9, 0], [4, 4]])[None, :, None]  # (1, 4, 1, 2)
    assert torch.equal(nn.ChannelMaxPool(2)(x), torch.tensor([[[[3.0, 5]], [[9, 4]]]]))
    assert torch.equal(F.channel_max_pool(x[0], 4), torch.tensor([[[9.0, 5]]]))


def test_scaling_at_inference_equals_the_expectation_of_the_masks():
    torch.manual_seed(0)
    layer, x = nn.WeightScaledDropout(0.2), torch.rand(8)
    mean = torch.stack([layer(x) for _ in range(20_000)]).mean(0)
    torch.testing.assert_close(layer.eval()(x), 0.8 * x)
    torch.testing.assert_close(mean, 0.8 * x, rtol=0.02, atol=0.01)


def test_the_slides_example():
    x = torch.tensor([[1.0, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]])[None]
    assert nn.MaxPool2d(2)(x).tolist() == [[[6, 8], [3, 4]]]
