"""The table of encoder speeds."""

import pandas as pd
import torch

from beatssl.bench.encoders import BenchEncodersConfig, bench_encoders


def test_a_line_an_encoder_width_and_norm() -> None:
    before = torch.get_num_threads()
    config = BenchEncodersConfig(
        ("xresnet1d", "unet"), (0.25, 0.5), ("batch", "group"), batch_size=2, samples=160, repeats=1, threads=1
    )
    table = pd.DataFrame(bench_encoders(config))
    assert len(table) == 8
    assert (table.filter(like="views").to_numpy() > 0).all()
    sizes = table[table["norm"] == "batch"].set_index(["encoder", "width"])["million_weights"]
    assert sizes["unet", 0.5] > 2 * sizes["unet", 0.25]
    assert torch.get_num_threads() == before
