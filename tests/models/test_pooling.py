import torch

from beatssl.models.pooling import attended, deviation, pool, quantiles, valid_steps


def test_mean_and_maximum_of_the_steps_that_count():
    feature_map = torch.tensor([[[1.0, 3.0, -5.0], [0.0, -2.0, 9.0]], [[-1.0, -1.0, -1.0], [-2.0, -3.0, -4.0]]])
    found = pool(feature_map, torch.tensor([2, 3]))
    assert found.tolist() == [[2, -1, 3, 0], [-1, -3, -1, -2]]
    torch.testing.assert_close(pool(feature_map), pool(feature_map, torch.tensor([3, 3])))


def test_padding_does_not_matter():
    generator = torch.Generator().manual_seed(0)
    short = torch.randn(2, 4, 7, generator=generator)
    long = torch.cat([short, torch.full((2, 4, 5), 1e6)], dim=2)
    torch.testing.assert_close(pool(long, torch.tensor([7, 7])), pool(short))


def test_the_deviation_is_of_the_steps_that_count_and_has_a_gradient_where_nothing_varies():
    feature_map = torch.tensor([[[1.0, 3.0, 9.0], [5.0, 5.0, -2.0]]]).requires_grad_()
    found = deviation(feature_map, torch.tensor([2]))
    torch.testing.assert_close(found, torch.tensor([[1.0, 0.0]]), atol=2e-3, rtol=0)
    torch.testing.assert_close(deviation(feature_map[..., :2]), found)
    assert (deviation(feature_map, torch.tensor([0])) == 0).all()
    found.sum().backward()
    assert feature_map.grad is not None
    assert torch.isfinite(feature_map.grad).all()


def test_quartiles_are_values_of_the_steps_that_count():
    feature_map = torch.tensor([[[4.0, 1.0, 3.0, 2.0, 5.0, -9.0]], [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]])
    assert quantiles(feature_map, torch.tensor([5, 1])).tolist() == [[2, 3, 4], [1, 1, 1]]
    assert quantiles(feature_map[..., :5]).tolist() == [[2, 3, 4], [2, 3, 4]]
    assert quantiles(feature_map, torch.tensor([0, 6])).tolist() == [[0, 0, 0], [2, 3, 4]]


def test_attention_is_a_mean_of_the_steps_that_count_and_follows_the_scores():
    feature_map = torch.tensor([[[1.0, 3.0, 9.0], [0.0, 2.0, 9.0]]])
    even = torch.zeros(1, 1, 3)
    assert attended(feature_map, even, torch.tensor([2])).tolist() == [[2, 1]]
    sharp = torch.tensor([[[0.0, 99.0, 0.0], [99.0, 0.0, 0.0]]])
    torch.testing.assert_close(attended(feature_map, sharp), torch.tensor([[3.0, 2.0, 1.0, 0.0]]))
    assert attended(feature_map, even, torch.tensor([0])).isfinite().all()


def test_a_record_without_signal_gives_zeros_and_finite_gradients():
    feature_map = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = pool(feature_map, torch.tensor([0, 4]))
    found.sum().backward()
    assert (found[0] == 0).all()
    assert feature_map.grad is not None
    assert (feature_map.grad[0] == 0).all()
    assert torch.isfinite(feature_map.grad).all()


def test_steps_that_saw_any_sample():
    assert valid_steps(torch.tensor([0, 1, 8, 9, 1000]), 8, 125).tolist() == [0, 1, 1, 2, 125]
    assert valid_steps(torch.tensor([1001]), 8, 125).tolist() == [125]


def test_half_precision_is_averaged_in_full():
    feature_map = torch.full((1, 1, 4096), 1.0, dtype=torch.bfloat16)
    assert pool(feature_map).tolist() == [[1, 1]]
    assert pool(feature_map, torch.tensor([4096])).dtype == torch.bfloat16
