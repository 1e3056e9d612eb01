"""Where the features of an SAE begin."""

import torch
from demo_model import saes


def cosines(x: torch.Tensor) -> torch.Tensor:
    return (x @ x.T).fill_diagonal_(0)


def test_no_two_features_begin_alike_however_often_a_residual_comes() -> None:
    torch.manual_seed(0)
    common, others = torch.randn(1, 32), torch.randn(300, 32)
    often = 5 * common + 0.1 * torch.randn(3000, 32)
    mixed = torch.cat([often, others])[torch.randperm(3300)]
    start = saes._unlike(mixed, 100)
    assert start.shape == (100, 32)
    torch.testing.assert_close(start.norm(dim=1), torch.ones(100))
    assert cosines(start).max() <= saes._CLOSE
    near = start @ torch.nn.functional.normalize(common, dim=1).T
    assert (near > 0.95).sum() == 1


def test_where_residuals_are_too_much_alike_the_rest_begin_anywhere() -> None:
    torch.manual_seed(0)
    start = saes._unlike(torch.randn(2, 32).repeat(50, 1), 10)
    assert start.shape == (10, 32)
    torch.testing.assert_close(start.norm(dim=1), torch.ones(10))
