"""Segmentation as a task: its loss and figures, and its gradients over several processes and batches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from beatssl.inference.segmenter import EcgSegmenter, build_decoder
from beatssl.models.config import DecoderConfig, EncoderConfig
from beatssl.models.encoder import build_encoder
from beatssl.training.config import OptimConfig, RunConfig
from beatssl.training.loop import train
from beatssl.training.run import read_log, start_accelerator
from beatssl.training.segmentation.config import UNCHANGED, FitConfig, HeartChanges
from beatssl.training.segmentation.marks import MarkedRows, classes_at, marked_rows
from beatssl.training.segmentation.pseudo_labels import PseudoLabelledRows
from beatssl.training.segmentation.task import WaveTask, sample_f1, wave_loss
from beatssl.training.task import NotFinite
from beatssl.views.config import ViewsConfig

CPU = torch.device("cpu")
RUN = RunConfig(log_every=1, save_every=1, device="cpu")
STILL = FitConfig(
    decoder=DecoderConfig(width=0.25, kernel=5, dropout=0.0), updates=1, optim=OptimConfig(batch_size=4, clip=0.0),
    views=ViewsConfig(), hearts=UNCHANGED, nameless=0.0, few=0.0, smooth=0.0,
)  # fmt: skip


def small_segmenter(store, norm="batch"):
    encoder = build_encoder(EncoderConfig(width=0.25, depth=0.1, norm=norm)).maps_only()
    return EcgSegmenter(encoder, build_decoder(STILL.decoder, encoder), store.preparation, {})


@pytest.fixture(scope="module")
def rows(store) -> MarkedRows:
    return marked_rows(store, range(8))


def test_the_loss_is_that_of_a_slow_loop():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(2, 3, 4, 5, generator=generator)
    share = torch.rand(2, 3, 4, 5, generator=generator).softmax(dim=2)
    counts = torch.rand(2, 3, 5, generator=generator) < 0.6
    each = [
        -sum(float(share[r, lead, c, t]) * float(scores[r, lead, :, t].log_softmax(0)[c]) for c in range(4))
        for r, lead, t in counts.nonzero().tolist()
    ]
    assert float(wave_loss(scores, share, counts)) == pytest.approx(np.mean(each), rel=1e-5)


def test_sample_f1_of_the_truth_is_one_and_of_nothing_zero():
    classes = np.repeat(np.array([[[0, 1, 1, 0, 2, 2, 0, 3, 3, 3, 0, -1]]], np.int16), 50, axis=2)
    truth = np.eye(4, dtype=np.float32)[np.maximum(classes[:, :, ::5], 0)].transpose(0, 1, 3, 2)
    assert min(sample_f1(truth, classes, 100.0).values()) > 0.9
    nothing = np.zeros_like(truth)
    nothing[:, :, 0] = 1
    assert set(sample_f1(nothing, classes, 100.0).values()) == {0.0}


def test_it_is_evaluated_every_so_often_and_at_the_end_where_there_is_something_to_evaluate(store, rows):
    config = replace(STILL, updates=5, evaluate_every=2)
    segmenter = small_segmenter(store)
    shown = []

    def evaluation(one):
        shown.append(one)
        return {"P": 0.25, "QRS": 1.0, "T": 0.25}

    task = WaveTask(segmenter, rows, config, 0, CPU, evaluation=evaluation)
    assert [update for update in range(6) if task.evaluation_due(update)] == [2, 4, 5]
    assert task.chosen_by == "macro"
    assert task.evaluate(task.model, 2) == {"P": 0.25, "QRS": 1.0, "T": 0.25, "macro": 0.5}
    both = WaveTask(segmenter, rows, config, 0, CPU, evaluation=evaluation, pseudo=rows)
    assert both.evaluate(both.model, 2)["macro"] == 0.5
    assert all(one is segmenter and not one.training for one in shown)
    without = WaveTask(segmenter, rows, config, 0, CPU)
    assert without.chosen_by is None
    assert not any(without.evaluation_due(update) for update in range(6))


def test_a_batch_has_half_as_many_rows_with_pseudo_labels_as_with_marks_in_every_process(store, rows):
    pseudo = PseudoLabelledRows(store, np.arange(8, 24), store.preparation)
    task = WaveTask(small_segmenter(store), rows, STILL, 0, CPU, pseudo=pseudo)
    batches = list(task.batches(0, 8))
    for number, batch in enumerate(batches):
        assert (batch.number, len(batch.marked), len(batch.pseudo)) == (number, 4, 2)
    for epoch in range(2):
        seen = np.concatenate([batch.marked.row for batch in batches[2 * epoch : 2 * epoch + 2]])
        assert sorted(seen) == list(range(8))
    other = np.concatenate([batch.pseudo.row for batch in batches])
    assert sorted(other) == list(range(8, 24))
    parts = [WaveTask(task.segmenter, rows, STILL, 0, CPU, (process, 2)) for process in range(2)]
    shared = np.concatenate([next(part.batches(1, 2)).marked.row for part in parts])
    assert sorted(shared) == sorted(batches[1].marked.row)


def test_nothing_is_learnt_near_the_boundaries_of_pseudo_labels(store, rows):
    pseudo = PseudoLabelledRows(store, np.arange(8, 24), store.preparation)
    task = WaveTask(small_segmenter(store), rows, STILL, 0, CPU, pseudo=pseudo)
    batch = next(iter(task.batches(0, 1)))
    at = np.flatnonzero(np.isin(pseudo.row, batch.pseudo.row))
    whole, left = classes_at(pseudo.take(at).covered), classes_at(batch.pseudo.covered)
    onset = np.argwhere(np.diff((whole[:, 0] == 2).astype(int), axis=1) == 1)
    assert len(onset)
    for row, step in onset:
        assert (left[row, 0, step - 6 : step + 7] == -1).all()
    assert ((left == whole) | (left == -1)).all()
    assert (left[:, 0] == 2).any()


def test_marked_rows_are_changed_ever_less_and_pseudo_labelled_rows_always(store, rows):
    pseudo = PseudoLabelledRows(store, np.arange(8, 24), store.preparation)
    config = replace(STILL, updates=100, hearts=HeartChanges())
    task = WaveTask(small_segmenter(store), rows, config, 0, CPU, pseudo=pseudo)
    assert [task._hearts(number).faster for number in (0, 30, 45, 99)] == pytest.approx([0.4, 0.4, 0.22, 0.04])
    assert task._hearts(99).rate == config.hearts.rate
    alone = WaveTask(small_segmenter(store), pseudo, config, 0, CPU)
    assert alone._hearts(99) == config.hearts


@pytest.mark.parametrize("train_what", ["decoder", "all"])
def test_a_frozen_encoder_is_evaluated_while_the_decoder_is_trained(store, rows, train_what):
    task = WaveTask(small_segmenter(store), rows, replace(STILL, train=train_what), 0, CPU)
    task.train_mode()
    assert task.segmenter.decoder.training
    assert task.segmenter.encoder.training == (train_what == "all")
    assert [factor for _, factor in task.groups()] == [1.0] + [STILL.optim.encoder_rate] * (train_what == "all")
    used = {name for name, weight in task.segmenter.encoder.named_parameters() if weight.requires_grad}
    assert ("first.convolution.weight" in used) == (train_what == "all")
    assert not {name for name in used if name.startswith(("laterals", "merged"))}, "the decoder reads stages alone"
    assert all(weight.requires_grad for weight in task.segmenter.decoder.parameters())


def test_a_loss_that_is_not_finite_names_update_records_and_remedy(store, rows, tmp_path):
    task = WaveTask(small_segmenter(store), rows, STILL, 0, CPU)
    first = next(task.batches(0, 1)).marked.row
    ecg_mv = rows.ecg_mv.clone()
    ecg_mv[first[2]] = torch.inf
    spoilt = WaveTask(small_segmenter(store), replace(rows, ecg_mv=ecg_mv), STILL, 0, CPU)
    optim = replace(STILL.optim, precision="bfloat16")
    with pytest.raises(NotFinite) as caught:
        train(spoilt, optim, RUN, 0, tmp_path, start_accelerator(RUN, tmp_path))
    assert "the loss of update 0 is not finite" in str(caught.value)
    assert f"on records {', '.join(store.records['record_id'].iloc[first])}; " in str(caught.value)
    assert "lower rate than 0.003 or precision='float32', or leave these records out" in str(caught.value)


def without_batch_norm(segmenter: EcgSegmenter) -> EcgSegmenter:
    """The decoder's only norm by the batch taken out."""
    segmenter.decoder.start[0] = nn.Identity()
    return segmenter


def test_two_accumulated_halves_give_the_gradient_of_the_whole_batch(store, rows, first_gradient, tmp_path):
    """Where as many samples are known in both halves: a batch's loss is the mean over its own."""
    known = rows.covered.clone()
    known[:, :, 3] = 0
    data, found = replace(rows, covered=known), []
    for accumulate in (1, 2):
        optim, out = replace(STILL.optim, batch_size=4 // accumulate, accumulate=accumulate), tmp_path / str(accumulate)
        config = replace(STILL, optim=optim, train="all")
        task = WaveTask(without_batch_norm(small_segmenter(store, norm="group")), data, config, 0, CPU)
        with first_gradient() as gradient:
            train(task, optim, RUN, 0, out, start_accelerator(RUN, out))
        (line,) = read_log(out)
        assert line["gradient"] == pytest.approx(float(torch.linalg.vector_norm(gradient[0])), rel=1e-4)
        found.append((gradient[0], line["loss"]))
    (whole, loss), (halves, same) = found
    assert loss == pytest.approx(same, rel=1e-5)
    torch.testing.assert_close(halves, whole, rtol=1e-3, atol=1e-5 * float(whole.abs().max()))


def test_two_processes_give_the_losses_and_gradients_of_one(store, forked):
    lines = forked(Path(__file__).parent / "two_processes.py", store.path)
    alone, cotrained = (line.split() for line in lines)
    assert int(cotrained[0]) == int(alone[0]) + 2 > 60
    assert float(alone[1]) < 1e-5
    assert float(cotrained[1]) < 1e-5
