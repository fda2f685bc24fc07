"""ECGFounder: names, shapes and arithmetic of the published network."""

import torch
import torch.nn.functional as F
from torch import Tensor

from beatssl.inference.adapters.ecgfounder import ECGFOUNDER, EcgFounder, EcgFounderLayout

LAYOUT = EcgFounderLayout(12, 8, (8, 12, 12), (1, 2, 1), 6, 4)


def network(seed: int = 0) -> EcgFounder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return EcgFounder(LAYOUT).eval()


def test_names_and_shapes_of_the_published_file() -> None:
    with torch.device("meta"):
        net = EcgFounder(ECGFOUNDER.layout)
    found = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    assert found["first_conv.conv.weight"] == (64, 12, 16)
    blocks = [len(stage.block_list) for stage in net.stage_list]
    assert blocks == [2, 2, 2, 3, 3, 4, 4]
    assert len(found) == 2 + 10 * sum(blocks)
    widths = (64, 64, 160, 160, 400, 400, 1024, 1024)
    for stage, count in enumerate(blocks):
        for block in range(count):
            at, wide = f"stage_list.{stage}.block_list.{block}", widths[stage + 1]
            assert found[f"{at}.conv1.conv.weight"] == (wide, widths[stage] if block == 0 else wide, 1)
            assert found[f"{at}.conv2.conv.weight"] == (wide, 16, 16)
            assert found[f"{at}.conv3.conv.bias"] == (wide,)
            assert found[f"{at}.se_fc1.weight"] == (wide // 2, wide)
            assert found[f"{at}.se_fc2.weight"] == (wide, wide // 2)
    assert (net.channels, net.stride) == (1024, 256)


def by_hand(x: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """The network on one segment, an operation a line, with explicit padding and channels."""

    def convolution(x: Tensor, at: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight, bias = weights[f"{at}.conv.weight"], weights[f"{at}.conv.bias"]
        kernel, steps = weight.shape[2], -(-x.shape[1] // stride)
        short = max(0, (steps - 1) * stride + kernel - x.shape[1])
        padded = torch.cat([x.new_zeros(len(x), short // 2), x, x.new_zeros(len(x), short - short // 2)], 1)
        out = torch.zeros(len(weight), steps)
        inputs, outputs = len(x) // groups, len(weight) // groups
        for channel in range(len(weight)):
            seen = padded[channel // outputs * inputs :][:inputs]
            for step in range(steps):
                window = seen[:, step * stride : step * stride + kernel]
                out[channel, step] = (window * weight[channel]).sum() + bias[channel]
        return out

    def swish(x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)

    x = swish(convolution(x, "first_conv", 2))
    for stage, (wide, count) in enumerate(zip(LAYOUT.stages, LAYOUT.blocks, strict=True)):
        for block in range(count):
            at, stride = f"stage_list.{stage}.block_list.{block}", 2 if block == 0 else 1
            y = convolution(x if (stage, block) == (0, 0) else swish(x), f"{at}.conv1")
            y = convolution(swish(y), f"{at}.conv2", stride, wide // LAYOUT.group)
            y = convolution(swish(y), f"{at}.conv3")
            squeezed = swish(weights[f"{at}.se_fc1.weight"] @ y.mean(1) + weights[f"{at}.se_fc1.bias"])
            excited = torch.sigmoid(weights[f"{at}.se_fc2.weight"] @ squeezed + weights[f"{at}.se_fc2.bias"])
            if stride == 2:
                even = torch.cat([x, x.new_zeros(len(x), x.shape[1] % 2)], 1)
                x = torch.maximum(even[:, ::2], even[:, 1::2])
            before = (wide - len(x)) // 2
            identity = torch.zeros(wide, x.shape[1])
            identity[before : before + len(x)] = x
            x = y * excited[:, None] + identity
    return x


def test_the_network_by_hand() -> None:
    net = network()
    for time in (96, 101):
        signal = torch.randn(1, 12, time, generator=torch.Generator().manual_seed(time))
        with torch.no_grad():
            found, expected = net(signal, torch.tensor([time])), by_hand(signal[0], net.state_dict())
        assert found.shape == (1, 12, int(net.steps(torch.tensor([time]))[0]))
        torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-5)


def test_stages_beyond_the_first_begin_with_an_activation() -> None:
    net, x = network(), torch.randn(1, 8, 20, generator=torch.Generator().manual_seed(1))
    first, second = net.stage_list[0].block_list[0], net.stage_list[1].block_list[0]
    assert (first.plain, second.plain) == (True, False)
    with torch.no_grad():
        inner = F.silu(first.conv2(F.silu(first.conv1(x))))
        weight = torch.sigmoid(first.se_fc2(F.silu(first.se_fc1(first.conv3(inner).mean(2)))))
        pooled = F.max_pool1d(x, 2)
        torch.testing.assert_close(first(x), first.conv3(inner) * weight[..., None] + pooled)
