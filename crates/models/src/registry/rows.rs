//! The built-in rows. Layer counts and widths: He et al. 2015, Xie et al. 2016, Zagoruyko & Komodakis 2016.
//!
//! Weight sources name published files only. The safetensors files are timm's copies of torchvision's weights on
//! the Hugging Face hub, under torchvision's tensor names; their sha256 is the one the hub shows for the file, and
//! a file whose digits are not known to be published says so. The `.pth` files are torchvision's own; the digits in
//! their names are the beginning of their sha256. Those of 2017 hold the same weights in a container of that time.

use std::borrow::Cow;

use super::{
    Architecture, BlockKind, Checksum, Normalisation, PublishedSize, WeightFormat, WeightSource,
};

const BSD: Cow<'static, str> = Cow::Borrowed("BSD-3-Clause (torchvision), trained on ImageNet-1k");
const APACHE: Cow<'static, str> =
    Cow::Borrowed("Apache-2.0 (timm, GluonCV), trained on ImageNet-1k");

/// A safetensors file of timm's: address and name in the cache follow from the model's name on the hub.
macro_rules! timm {
    ($model:literal, $weights:literal, $licence:expr, $size:expr, $sha256:expr, $notes:literal) => {
        WeightSource {
            weights: Cow::Borrowed($weights),
            address: Cow::Borrowed(concat!(
                "https://huggingface.co/timm/",
                $model,
                "/resolve/main/model.safetensors"
            )),
            file_name: Cow::Borrowed(concat!($model, ".safetensors")),
            format: WeightFormat::Safetensors,
            sha256: $sha256,
            size: $size,
            licence: $licence,
            notes: Cow::Borrowed($notes),
        }
    };
}

/// A `.pth` file of torchvision's; `$thousandths` is its published size in thousandths of a MiB.
macro_rules! torchvision {
    ($model:literal, $prefix:literal, $weights:literal, $thousandths:literal) => {
        WeightSource {
            weights: Cow::Borrowed($weights),
            address: Cow::Borrowed(concat!(
                "https://download.pytorch.org/models/",
                $model,
                "-",
                $prefix,
                ".pth"
            )),
            file_name: Cow::Borrowed(concat!($model, "-", $prefix, ".pth")),
            format: WeightFormat::Pth,
            sha256: Checksum::Prefix(Cow::Borrowed($prefix)),
            size: PublishedSize::About($thousandths * (1 << 20) / 1000),
            licence: BSD,
            notes: Cow::Borrowed("torchvision's own file"),
        }
    };
}

const fn sha256(digits: &'static str) -> Checksum {
    Checksum::Full(Cow::Borrowed(digits))
}

/// A size the publisher rounds to whole or tenth megabytes.
const fn about_megabytes(tenths: u64) -> PublishedSize {
    PublishedSize::About(tenths * 100_000)
}

const fn row(
    name: &'static str,
    block: BlockKind,
    layers: [usize; 4],
    groups: usize,
    width_per_group: usize,
    sources: &'static [WeightSource],
) -> Architecture {
    Architecture {
        name: Cow::Borrowed(name),
        block,
        layers,
        stem_width: 64,
        groups,
        width_per_group,
        normalisation: Normalisation::IMAGENET,
        stages_in_first_group: 2,
        sources: Cow::Borrowed(sources),
    }
}

use BlockKind::{Basic, Bottleneck};

pub(super) static RESNET18: Architecture =
    row("resnet18", Basic, [2, 2, 2, 2], 1, 64, RESNET18_WEIGHTS);
pub(super) static RESNET34: Architecture =
    row("resnet34", Basic, [3, 4, 6, 3], 1, 64, RESNET34_WEIGHTS);
pub(super) static RESNET50: Architecture =
    row("resnet50", Bottleneck, [3, 4, 6, 3], 1, 64, RESNET50_WEIGHTS);
pub(super) static RESNET101: Architecture =
    row("resnet101", Bottleneck, [3, 4, 23, 3], 1, 64, RESNET101_WEIGHTS);
pub(super) static RESNET152: Architecture =
    row("resnet152", Bottleneck, [3, 8, 36, 3], 1, 64, RESNET152_WEIGHTS);
pub(super) static WIDE_RESNET50_2: Architecture =
    row("wide_resnet50_2", Bottleneck, [3, 4, 6, 3], 1, 128, WIDE_RESNET50_2_WEIGHTS);
pub(super) static RESNEXT50_32X4D: Architecture =
    row("resnext50_32x4d", Bottleneck, [3, 4, 6, 3], 32, 4, RESNEXT50_32X4D_WEIGHTS);
pub(super) static RESNEXT101_32X4D: Architecture =
    row("resnext101_32x4d", Bottleneck, [3, 4, 23, 3], 32, 4, RESNEXT101_32X4D_WEIGHTS);
pub(super) static RESNEXT101_32X8D: Architecture =
    row("resnext101_32x8d", Bottleneck, [3, 4, 23, 3], 32, 8, RESNEXT101_32X8D_WEIGHTS);
pub(super) static RESNEXT101_64X4D: Architecture =
    row("resnext101_64x4d", Bottleneck, [3, 4, 23, 3], 64, 4, RESNEXT101_64X4D_WEIGHTS);

const RESNET18_WEIGHTS: &[WeightSource] = &[
    timm!(
        "resnet18.tv_in1k",
        "IMAGENET1K_V1",
        BSD,
        PublishedSize::Exact(46_807_446),
        sha256("694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81"),
        "top-1 69.8 %"
    ),
    torchvision!("resnet18", "f37072fd", "IMAGENET1K_V1", 44_661),
    torchvision!("resnet18", "5c106cde", "IMAGENET1K_V1", 44_658),
];

const RESNET34_WEIGHTS: &[WeightSource] = &[
    timm!(
        "resnet34.tv_in1k",
        "IMAGENET1K_V1",
        BSD,
        PublishedSize::Exact(87_278_522),
        sha256("0bb82595a564991a9d424708b33f5d843f5aaed7f6c0886ff10849ff97022235"),
        "top-1 73.3 %; the sha256 is the one public projects pin for this file"
    ),
    torchvision!("resnet34", "b627a593", "IMAGENET1K_V1", 83_275),
    torchvision!("resnet34", "333f7ec4", "IMAGENET1K_V1", 83_262),
];

const RESNET50_WEIGHTS: &[WeightSource] = &[
    timm!(
        "resnet50.tv_in1k",
        "IMAGENET1K_V1",
        BSD,
        PublishedSize::Exact(102_469_840),
        sha256("5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888"),
        "top-1 76.1 %"
    ),
    torchvision!("resnet50", "0676ba61", "IMAGENET1K_V1", 97_781),
    torchvision!("resnet50", "19c8e357", "IMAGENET1K_V1", 97_754),
    torchvision!("resnet50", "11ad3fa6", "IMAGENET1K_V2", 97_790),
];

const RESNET101_WEIGHTS: &[WeightSource] = &[
    timm!(
        "resnet101.tv_in1k",
        "IMAGENET1K_V1",
        BSD,
        about_megabytes(1790),
        Checksum::Unpublished,
        "top-1 77.4 %"
    ),
    torchvision!("resnet101", "63fe2227", "IMAGENET1K_V1", 170_511),
    torchvision!("resnet101", "5d3b4d8f", "IMAGENET1K_V1", 170_449),
    torchvision!("resnet101", "cd907fc2", "IMAGENET1K_V2", 170_530),
];

const RESNET152_WEIGHTS: &[WeightSource] = &[
    timm!(
        "resnet152.tv_in1k",
        "IMAGENET1K_V1",
        BSD,
        about_megabytes(2410),
        sha256("15897077afdf4d6334dc0c3f8e6fb483afb3faa9298c139f3c6eb29bca6ae5b2"),
        "top-1 78.3 %"
    ),
    torchvision!("resnet152", "394f9c45", "IMAGENET1K_V1", 230_434),
    torchvision!("resnet152", "b121ed2d", "IMAGENET1K_V1", 230_342),
    torchvision!("resnet152", "f82ba261", "IMAGENET1K_V2", 230_474),
];

const WIDE_RESNET50_2_WEIGHTS: &[WeightSource] = &[
    timm!(
        "wide_resnet50_2.tv_in1k",
        "IMAGENET1K_V1",
        BSD,
        about_megabytes(2760),
        sha256("df6fb6c4824769769de18e14088475fd6ee94236849aa4e5d8022ba9d9a9a16c"),
        "top-1 78.5 %"
    ),
    torchvision!("wide_resnet50_2", "95faca4d", "IMAGENET1K_V1", 131_820),
    torchvision!("wide_resnet50_2", "9ba9bcbe", "IMAGENET1K_V2", 263_124),
];

const RESNEXT50_32X4D_WEIGHTS: &[WeightSource] = &[
    timm!(
        "resnext50_32x4d.tv_in1k",
        "IMAGENET1K_V1",
        BSD,
        about_megabytes(1000),
        sha256("c0d85cba49c0e9dedbcf6d4e572e2c5ea5eb68e9d64d0564811fd54d4f72939a"),
        "top-1 77.6 %"
    ),
    torchvision!("resnext50_32x4d", "7cdf4587", "IMAGENET1K_V1", 95_789),
    torchvision!("resnext50_32x4d", "1a0047aa", "IMAGENET1K_V2", 95_833),
];

const RESNEXT101_32X4D_WEIGHTS: &[WeightSource] = &[timm!(
    "resnext101_32x4d.gluon_in1k",
    "GLUON_IN1K",
    APACHE,
    about_megabytes(1770),
    sha256("fe0599be8d1841a4eac53668d059e3e11b3ec968047de658153c5df61421b0d7"),
    "torchvision publishes no weights for this network; these are GluonCV's, converted by timm"
)];

const RESNEXT101_32X8D_WEIGHTS: &[WeightSource] = &[
    timm!(
        "resnext101_32x8d.tv_in1k",
        "IMAGENET1K_V1",
        BSD,
        about_megabytes(3560),
        sha256("71c7427e233904ad828b768b9683876dc71f143876cbadaa26428bfea3560fc3"),
        "top-1 79.3 %"
    ),
    torchvision!("resnext101_32x8d", "8ba56ff5", "IMAGENET1K_V1", 339_586),
    torchvision!("resnext101_32x8d", "110c445d", "IMAGENET1K_V2", 339_673),
];

const RESNEXT101_64X4D_WEIGHTS: &[WeightSource] = &[
    timm!(
        "resnext101_64x4d.tv_in1k",
        "IMAGENET1K_V1",
        BSD,
        about_megabytes(3350),
        sha256("47528f24e5cd6844249c9e4ea11aed6619431b83a0596afe80efdfffdb369900"),
        "top-1 83.2 %"
    ),
    torchvision!("resnext101_64x4d", "173b62eb", "IMAGENET1K_V1", 319_318),
];
