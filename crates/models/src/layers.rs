//! The layers that networks are put together from, declared under torchvision's names.

use autograd::functions::{self, ConvNorm, Norm};
use autograd::{ParameterId, Result, StoreBuilder, Var};
use tensor_core::ops::conv::ConvGeometry;
use tensor_core::ops::norm::NormOptions;

use crate::Pass;
use crate::initialise::Initialiser;
use crate::registry::ConvSize;

/// A convolution without bias and its batch norm.
#[derive(Debug, Clone)]
pub(crate) struct ConvNormLayer {
    name: String,
    unit: ConvNorm,
}

impl ConvNormLayer {
    /// Declares `{conv}.weight` and `{norm}.weight`, `.bias` and running statistics. Weights are
    /// Kaiming-normal by fan-out, gamma 1, beta 0, as torchvision begins.
    pub fn declare(
        builder: &mut StoreBuilder,
        initialiser: &mut Initialiser,
        conv: &str,
        norm: &str,
        size: ConvSize,
    ) -> Result<ConvNormLayer> {
        let ConvSize { input, output, kernel, stride, groups } = size;
        let shape = [output, kernel, kernel, input / groups];
        let values = initialiser.kaiming_normal(shape.iter().product(), output * kernel * kernel);
        let weight = builder.parameter(format!("{conv}.weight"), shape, values)?;
        let geometry = ConvGeometry::new().stride(stride).padding(kernel / 2).groups(groups);
        let norm = declare_norm(builder, norm, vec![1.0; output])?;
        Ok(ConvNormLayer { name: conv.to_string(), unit: ConvNorm { weight, geometry, norm } })
    }

    /// `relu?(norm(conv(input)) + addend?)`.
    pub fn forward(
        &self,
        pass: &mut Pass,
        input: &Var,
        addend: Option<&Var>,
        relu: bool,
    ) -> Result<Var> {
        let (mode, store) = (pass.norm_mode(self.unit.norm.statistics), pass.store());
        let output =
            functions::conv_norm(&mut pass.tape, store, &self.unit, mode, input, addend, relu)?;
        pass.tap(&self.name, &output);
        Ok(output)
    }
}

/// Declares a batch norm whose gamma begins with these values.
pub(crate) fn declare_norm(
    builder: &mut StoreBuilder,
    name: &str,
    gamma: Vec<f32>,
) -> Result<Norm> {
    let channels = gamma.len();
    let gamma = builder.parameter(format!("{name}.weight"), [channels], gamma)?;
    let beta = builder.parameter(format!("{name}.bias"), [channels], vec![0.0; channels])?;
    let statistics = builder.statistics(name, channels)?;
    Ok(Norm { gamma, beta, statistics, options: NormOptions::default() })
}

/// A linear layer.
#[derive(Debug, Clone)]
pub(crate) struct LinearLayer {
    name: String,
    weight: ParameterId,
    bias: ParameterId,
}

impl LinearLayer {
    /// Declares `{name}.weight`, Kaiming-normal by fan-in, and `{name}.bias`, zero.
    pub fn declare(
        builder: &mut StoreBuilder,
        initialiser: &mut Initialiser,
        name: &str,
        input: usize,
        output: usize,
    ) -> Result<LinearLayer> {
        let values = initialiser.kaiming_normal(output * input, input);
        let weight = builder.parameter(format!("{name}.weight"), [output, input], values)?;
        let bias = builder.parameter(format!("{name}.bias"), [output], vec![0.0; output])?;
        Ok(LinearLayer { name: name.to_string(), weight, bias })
    }

    /// `[n, in]` to `[n, out]`.
    pub fn forward(&self, pass: &mut Pass, input: &Var) -> Result<Var> {
        let store = pass.store();
        let output = functions::linear(&mut pass.tape, store, self.weight, self.bias, input)?;
        pass.tap(&self.name, &output);
        Ok(output)
    }
}
