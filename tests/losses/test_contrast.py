import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beatssl.losses.contrast import FORMS, SOFTMAX_FORMS, contrast


def slow(z_a, z_b, targets, form, temperature, bias=-10.0, compared=None, hard_negatives=0.0):
    """The equations of the docstring, one pair at a time."""
    n = len(z_a)
    z = [v / np.linalg.norm(v) for v in (*z_a, *z_b)]
    item = [*range(n), *range(n)]
    total = 0.0
    for i in range(2 * n):
        others = [j for j in range(2 * n) if j != i]
        if compared is not None:
            others = [j for j in others if item[i] == item[j] or compared[item[i], item[j]]]
        logit = {j: float(z[i] @ z[j]) / temperature for j in others}
        share = {j: 1.0 if item[i] == item[j] else float(targets[item[i], item[j]]) for j in others}
        if form == "hard":
            share = {j: float(s >= 0.5) for j, s in share.items()}
        if form == "spectral":
            total += sum((float(z[i] @ z[j]) - share[j]) ** 2 for j in others)
            continue
        if form == "sigmoid":
            for j in others:
                right = 1 / (1 + math.exp(-(logit[j] + bias)))
                total -= share[j] * math.log(right) + (1 - share[j]) * math.log(1 - right)
            continue
        negatives = [j for j in others if item[j] != item[i]]
        mean = sum(math.exp(hard_negatives * logit[j]) for j in negatives) / max(len(negatives), 1)
        count = dict.fromkeys(others, 1.0)
        for j in negatives:
            count[j] = share[j] + (1 - share[j]) * math.exp(hard_negatives * logit[j]) / mean
        norm = sum(count[j] * math.exp(v) for j, v in logit.items())
        row = -sum(share[j] * math.log(math.exp(logit[j]) / norm) for j in others)
        total += row if form == "soft_1" else row / sum(share.values())
    return total / (2 * n)


def batch(seed, n=5, d=4):
    rng = np.random.default_rng(seed)
    targets = rng.random((n, n))
    return rng.normal(size=(n, d)), rng.normal(size=(n, d)), (targets + targets.T) / 2


def tensors(*arrays):
    return tuple(torch.from_numpy(np.asarray(a)) for a in arrays)


@given(st.integers(0, 10_000), st.sampled_from(FORMS), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_it_is_the_double_loop(seed, form, n):
    z_a, z_b, targets = batch(seed, n)
    found = float(contrast(*tensors(z_a, z_b, targets), form, temperature=0.3, bias=-2.0))
    assert found == pytest.approx(slow(z_a, z_b, targets, form, 0.3, -2.0), rel=1e-9)


@given(st.integers(0, 10_000), st.sampled_from(FORMS), st.integers(1, 6), st.floats(0, 3))
@settings(max_examples=40, deadline=None)
def test_pairs_left_out_and_hard_negatives_are_those_of_the_double_loop(seed, form, n, strength):
    z_a, z_b, targets = batch(seed, n)
    compared = np.random.default_rng(seed).random((n, n)) < 0.6
    strength = strength if form in SOFTMAX_FORMS else 0.0
    found = float(contrast(*tensors(z_a, z_b, targets), form, 0.3, -2.0, torch.from_numpy(compared), strength))
    assert found == pytest.approx(slow(z_a, z_b, targets, form, 0.3, -2.0, compared, strength), rel=1e-9)


@pytest.mark.parametrize("form", FORMS)
def test_with_every_pair_compared_it_is_the_same_to_the_bit(form):
    z_a, z_b, targets = tensors(*batch(8))
    every = torch.ones(5, 5, dtype=torch.bool)
    assert contrast(z_a, z_b, targets, form, compared=every) == contrast(z_a, z_b, targets, form)


def test_hard_negatives_push_the_nearest_hardest():
    """The gradient on the nearer of two negatives grows against that on the farther one."""
    z = torch.tensor([[1.0, 0, 0], [0.8, 0.6, 0], [0.1, 0, 0.99]], dtype=torch.float64)

    def ratio(strength):
        of = z.clone().requires_grad_()
        contrast(of, z, None, "hard", 0.5, hard_negatives=strength).backward()
        return float(of.grad[1].norm() / of.grad[2].norm())

    assert ratio(2.0) > ratio(1.0) > ratio(0.0)


def test_hard_negatives_need_a_softmax():
    z = torch.ones(3, 2)
    with pytest.raises(ValueError, match="form 'sigmoid' has no softmax"):
        contrast(z, z, None, "sigmoid", hard_negatives=1.0)


def test_two_records_by_hand():
    """Views e1, e1 of record 1 and e2, e2 of record 2: cosine 1 to the partner, 0 to both others; temperature 1."""
    z = torch.eye(2, dtype=torch.float64)
    log_norm = math.log(math.e + 2)
    soft = torch.tensor([[0.0, 0.25], [0.25, 0.0]], dtype=torch.float64)
    assert float(contrast(z, z, None, "hard", 1.0)) == pytest.approx(log_norm - 1)
    assert float(contrast(z, z, soft, "soft_1", 1.0)) == pytest.approx(1.5 * log_norm - 1)
    assert float(contrast(z, z, soft, "soft_2", 1.0)) == pytest.approx(log_norm - 1 / 1.5)
    assert float(contrast(z, z, soft, "spectral")) == pytest.approx(2 * 0.25**2)
    log_one, log_two = math.log1p(math.exp(-1)), math.log(2)  # −log σ(1), −log σ(0)
    expected = log_one + 2 * (0.25 * log_two + 0.75 * log_two)
    assert float(contrast(z, z, soft, "sigmoid", 1.0, bias=0.0)) == pytest.approx(expected)


def test_three_beats_of_two_classes_by_hand():
    """Beats 1 and 2 are N along e1, beat 3 is V along e2: four views at e1 want each other, two at e2 each other."""
    z = torch.tensor([[1.0, 0], [1, 0], [0, 1]], dtype=torch.float64)
    targets = torch.tensor([[1.0, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.float64)
    of_n = -math.log(math.e / (3 * math.e + 2))  # three others at cosine 1, all positives
    of_v = -math.log(math.e / (math.e + 4))
    assert float(contrast(z, z, targets, "hard", 1.0)) == pytest.approx((4 * of_n + 2 * of_v) / 6)
    assert float(contrast(z, z, targets, "soft_2", 1.0)) == pytest.approx((4 * of_n + 2 * of_v) / 6)
    assert float(contrast(z, z, targets, "soft_1", 1.0)) == pytest.approx((4 * 3 * of_n + 2 * of_v) / 6)


def test_spectral_cosines_become_the_targets_where_a_softmax_takes_the_exponent_back():
    """Free embeddings of three records: the cosine of each pair ends at S, and with a softmax at a line in log S."""
    targets = torch.tensor([[1.0, 0.7, 0.2], [0.7, 1, 0.4], [0.2, 0.4, 1]], dtype=torch.float64)
    pairs = [(0, 1), (0, 2), (1, 2)]

    def trained(form, temperature):
        z = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
        optimizer = torch.optim.LBFGS([z], max_iter=500, tolerance_change=1e-14, line_search_fn="strong_wolfe")

        def closure():
            optimizer.zero_grad()
            loss = contrast(z, z, targets, form, temperature)
            loss.backward()
            return loss

        optimizer.step(closure)
        unit = torch.nn.functional.normalize(z.detach(), dim=1)
        return torch.stack([unit[i] @ unit[j] for i, j in pairs])

    wanted = torch.stack([targets[i, j] for i, j in pairs])
    torch.testing.assert_close(trained("spectral", 1.0), wanted, atol=1e-4, rtol=0)
    softmax = trained("soft_2", 1.0)
    assert (softmax - wanted).abs().max() > 0.2
    torch.testing.assert_close(softmax, 1 + wanted.log(), atol=2e-3, rtol=0)


def test_hard_without_others_is_nt_xent():
    """SimCLR's loss as its paper writes it: cross-entropy of each view's partner among all other views."""
    z_a, z_b, _ = (torch.from_numpy(x) for x in batch(3, n=8, d=5))
    z = torch.nn.functional.normalize(torch.cat([z_a, z_b]), dim=1)
    logits = (z @ z.T / 0.1).masked_fill(torch.eye(16, dtype=torch.bool), -1e30)
    expected = torch.nn.functional.cross_entropy(logits, (torch.arange(16) + 8) % 16)
    nothing_alike = torch.zeros(8, 8, dtype=torch.float64)
    for targets in (None, nothing_alike):
        torch.testing.assert_close(contrast(z_a, z_b, targets, "hard"), expected)
    torch.testing.assert_close(contrast(z_a, z_b, nothing_alike, "soft_1"), expected)
    torch.testing.assert_close(contrast(z_a, z_b, nothing_alike, "soft_2"), expected)


def test_the_diagonal_of_the_targets_is_not_read_nor_written():
    z_a, z_b, targets = tensors(*batch(4))
    other = targets.clone().fill_diagonal_(1e3)
    for form in FORMS:
        torch.testing.assert_close(contrast(z_a, z_b, targets, form), contrast(z_a, z_b, other, form))
    assert (other.diagonal() == 1e3).all()


@pytest.mark.parametrize("form", FORMS)
def test_gradients(form):
    z_a, z_b, targets = tensors(*batch(5, n=3, d=3))
    temperature, bias = torch.tensor(0.4, dtype=torch.float64), torch.tensor(-1.0, dtype=torch.float64)
    inputs = [t.requires_grad_() for t in (z_a, z_b, temperature, bias)]
    assert torch.autograd.gradcheck(lambda a, b, t, s: contrast(a, b, targets, form, t, s), inputs)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "z",
    [
        torch.zeros(0, 4),
        torch.randn(1, 4, generator=torch.Generator().manual_seed(0)),
        torch.ones(6, 4),
        torch.zeros(6, 4),
        1e20 * torch.ones(3, 4),
        torch.cat([torch.ones(3, 4), -torch.ones(3, 4)]),
    ],
    ids=["no item", "one item", "identical", "zero", "huge", "opposite"],
)
def test_nothing_breaks_it(form, z):
    for targets in (None, torch.zeros(len(z), len(z)), torch.ones(len(z), len(z))):
        z_a, z_b = z.clone().requires_grad_(), z.clone().requires_grad_()
        loss = contrast(z_a, z_b, targets, form, temperature=0.01)
        loss.backward()
        assert torch.isfinite(loss)
        assert z_a.grad is not None
        assert z_b.grad is not None
        assert torch.isfinite(z_a.grad).all()
        assert torch.isfinite(z_b.grad).all()
    if len(z) < 2 and form != "sigmoid":
        assert float(loss.detach()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_autocast_does_not_blur_it(form):
    z_a, z_b, targets = tensors(*batch(6, n=64, d=32))
    exact = contrast(z_a, z_b, targets, form)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = contrast(z_a.float(), z_b.float(), targets.float(), form)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=0)
    half = contrast(z_a.bfloat16(), z_b.bfloat16(), targets.float(), form)
    torch.testing.assert_close(half.double(), exact, rtol=0.02, atol=0)


def test_the_best_answer_to_soft_targets_is_their_similarity():
    """Embeddings trained on soft_2 alone come to lie as the targets say: alike items near, others far."""
    targets = torch.tensor([[1, 0.8, 0.0], [0.8, 1, 0.0], [0.0, 0.0, 1]])
    z = torch.randn(3, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    optimiser = torch.optim.SGD([z], lr=0.5)
    for _ in range(200):
        optimiser.zero_grad()
        contrast(z, z, targets, "soft_2", 0.2).backward()
        optimiser.step()
    cosine = torch.nn.functional.cosine_similarity(z[:, None], z[None], dim=2)
    assert cosine[0, 1] > 0.8
    assert cosine[0, 2] < 0
    assert cosine[1, 2] < 0


def test_what_does_not_fit_is_an_error():
    z = torch.ones(3, 2)
    with pytest.raises(ValueError, match="temperature 0"):
        contrast(z, z, None, "hard", 0.0)
