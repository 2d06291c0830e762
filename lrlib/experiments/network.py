"""The networks that the chapters train."""

from __future__ import annotations

import keras

from lrlib.schedules.kinds import check_bool, check_whole


def build_model() -> keras.Model:
    """Build the network of the tutorial, new weights at each call.

    Returns:
        A Keras model, not compiled: images of shape `(28, 28)` → 512 units with ReLU →
        dropout of 20 % → 10 probabilities. 407,050 weights.

    >>> import lrlib
    >>> lrlib.build_model().count_params()
    407050

    """
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(512, activation="relu"),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )


def build_convnet(classes: int = 10) -> keras.Model:
    """Build a small convolutional network, new weights at each call.

    Args:
        classes: number of classes to tell apart, at least 2.

    Returns:
        A Keras model, not compiled: images of shape `(28, 28)` → 8 and 16 filters of
        3×3 at stride 2, with ReLU → 64 units with ReLU → `classes` probabilities.
        38,826 weights for ten classes.

    Raises:
        TypeError: `classes` is not an integer.
        ValueError: `classes` is less than 2.

    >>> import lrlib
    >>> lrlib.build_convnet().count_params()
    38826

    """
    check_whole("classes", classes, 2)
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            keras.layers.Reshape((28, 28, 1)),
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(classes, activation="softmax"),
        ]
    )


def build_transformer(
    context: int = 32,
    width: int = 64,
    layers: int = 2,
    heads: int = 4,
    characters: int = 65,
    *,
    pre_norm: bool = False,
) -> keras.Model:
    """Build a small language model, a Transformer, new weights at each call.

    Args:
        context: characters that it reads, at least 1.
        width: numbers that stand for a character, a multiple of `heads`.
        layers: blocks of attention and two dense layers, at least 1.
        heads: attention heads of a block, at least 1.
        characters: different characters, at least 2; `lrlib.load_shakespeare` has 65.
        pre_norm: whether each block normalizes what it reads (pre-LN), in place of the
            sum of what it reads and what it makes of it (post-LN).

    Returns:
        A Keras model, not compiled: whole numbers of shape `(context,)` → for each
        place, seeing only the places up to it, the logits of the next character,
        `(context, characters)`. 110,401 weights, and 128 more with `pre_norm`.

    Raises:
        TypeError: a number is not an integer, or `pre_norm` neither True nor False.
        ValueError: a number is not in its range.

    Source: Vaswani et al. 2017, "Attention Is All You Need", for the Transformer, with
    positions that are learned; Xiong et al. 2020, "On Layer Normalization in the
    Transformer Architecture", for where to normalize.

    >>> import lrlib
    >>> model = lrlib.build_transformer()
    >>> model.output_shape, model.count_params()
    ((None, 32, 65), 110401)

    """
    for name, value, low in (
        ("context", context, 1),
        ("width", width, 1),
        ("layers", layers, 1),
        ("heads", heads, 1),
        ("characters", characters, 2),
    ):
        check_whole(name, value, low)
    check_bool("pre_norm", pre_norm)
    if width % heads:
        raise ValueError(f"width must be a multiple of heads, {heads}, got {width}")

    def attention(x: keras.KerasTensor) -> keras.KerasTensor:
        attend = keras.layers.MultiHeadAttention(heads, width // heads)
        return attend(x, x, use_causal_mask=True)

    def dense(x: keras.KerasTensor) -> keras.KerasTensor:
        x = keras.layers.Dense(4 * width, activation="gelu")(x)
        return keras.layers.Dense(width)(x)

    inputs = keras.Input((context,), dtype="int32")
    places = keras.ops.zeros_like(inputs) + keras.ops.arange(context)
    x = keras.layers.Embedding(characters, width)(inputs)
    x += keras.layers.Embedding(context, width)(places)
    for part in [attention, dense] * layers:
        normalize = keras.layers.LayerNormalization()
        x = x + part(normalize(x)) if pre_norm else normalize(x + part(x))
    if pre_norm:
        x = keras.layers.LayerNormalization()(x)
    return keras.Model(inputs, keras.layers.Dense(characters)(x))
