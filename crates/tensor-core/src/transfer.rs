//! Batches to a device and numbers back from it, beside its other work: two input slots that are
//! filled in turn, and a ring of values that are read some steps late.
//!
//! On the CPU both are plain copies. Everything else is copied by `Tensor`, which waits.

use std::collections::VecDeque;

use crate::memory::{ALIGNMENT, Buffer, Staging};
use crate::tensor::{as_bytes, from_bytes};
use crate::{DType, Device, Element, Error, Result, Shape, Tensor};

/// One tensor of an input, as it lies in host memory.
#[derive(Debug, Clone, Copy)]
pub struct InputPart<'a> {
    shape: Shape,
    dtype: DType,
    bytes: &'a [u8],
}

impl<'a> InputPart<'a> {
    /// Values that will be a tensor of this shape.
    ///
    /// # Errors
    /// [`Error::Elements`] if they do not fill the shape.
    pub fn new<T: Element>(shape: impl Into<Shape>, values: &'a [T]) -> Result<InputPart<'a>> {
        let shape = shape.into();
        if shape.elements() != values.len() {
            return Err(Error::Elements { shape, found: values.len() });
        }
        Ok(InputPart { shape, dtype: T::DTYPE, bytes: as_bytes(values) })
    }
}

/// What lies in a slot, to be given to [`InputSlots::release`] once everything that reads it has been
/// called.
#[derive(Debug)]
pub struct SlotInput {
    /// Which slot: 0 or 1. The same slot has the same addresses every time, for parts of the same sizes.
    pub slot: usize,
    /// A tensor for each part.
    pub tensors: Vec<Tensor>,
}

/// Two fixed places on a device that are filled in turn while the device computes.
///
/// ```
/// use tensor_core::transfer::{InputPart, InputSlots};
/// # fn main() -> tensor_core::Result<()> {
/// # let device = tensor_core::Device::cpu()?;
/// let mut slots = InputSlots::new(&device, 1 << 20)?;
/// for batch in [[1, 2, 3], [4, 5, 6], [7, 8, 9]] {
///     let input = slots.fill(&[InputPart::new([3], &batch)?])?;
///     assert_eq!(input.tensors[0].to_vec::<i32>()?, batch);
///     slots.release(input)?;
/// }
/// # Ok(())
/// # }
/// ```
pub struct InputSlots {
    device: Device,
    slots: [Slot; 2],
    next: usize,
}

struct Slot {
    buffer: Buffer,
    staging: Box<dyn Staging>,
    /// True if work that reads the slot may have been given to the device since the last fence.
    unguarded: bool,
}

impl InputSlots {
    /// Slots of `capacity` bytes each, on the device and on the host.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] on either.
    pub fn new(device: &Device, capacity: usize) -> Result<InputSlots> {
        let slot = || {
            let memory = device.memory();
            let staging = memory.memory().staging(capacity)?;
            // Blocks come from the pool, so work given earlier may still read them.
            Ok::<_, Error>(Slot { buffer: memory.allocate(capacity)?, staging, unguarded: true })
        };
        Ok(InputSlots { device: device.clone(), slots: [slot()?, slot()?], next: 0 })
    }

    /// Bytes that fit a slot; each part begins at a multiple of [`ALIGNMENT`].
    pub fn capacity(&self) -> usize {
        self.slots[0].buffer.bytes()
    }

    /// Copies the parts into the slot whose turn it is, beside the device's other work; work given from
    /// now on sees them.
    ///
    /// # Errors
    /// [`Error::Argument`] if the parts do not fit, or a tensor of the slot's last input is still held;
    /// [`Error::Device`] with what earlier work failed with.
    pub fn fill(&mut self, parts: &[InputPart]) -> Result<SlotInput> {
        const OP: &str = "input_slots.fill";
        let refuse = |message| Err(Error::Argument { op: OP, message });
        let (starts, bytes) = layout(parts);
        if bytes > self.capacity() {
            let message = format!("{bytes} bytes do not fit slots of {}", self.capacity());
            return refuse(message);
        }
        let slot = self.next;
        let Slot { buffer, staging, unguarded } = &mut self.slots[slot];
        if !buffer.is_unique() {
            return refuse(format!(
                "the last input of slot {slot} is still in use; drop its tensors"
            ));
        }
        let staged = staging.bytes()?;
        for (part, &start) in parts.iter().zip(&starts) {
            staged[start..start + part.bytes.len()].copy_from_slice(part.bytes);
        }
        if *unguarded {
            staging.fence()?;
        }
        // SAFETY: the parts fit the buffer, which only this slot owns. Whatever read it was given to the
        // device before the last fence, here or in `release`: tensors of the last input are gone.
        unsafe { staging.upload(buffer.address(), bytes)? };
        *unguarded = true;
        self.next = 1 - slot;
        let tensors = parts.iter().zip(starts).map(|(part, start)| {
            Tensor::of_buffer(&self.device, buffer.clone(), start, part.shape, part.dtype)
        });
        Ok(SlotInput { slot, tensors: tensors.collect() })
    }

    /// Says that all work that reads this input has been given to the device, so that its slot may be
    /// filled again once that is done. Without it the next filling waits for all work given by then.
    ///
    /// # Errors
    /// [`Error::Device`] with what earlier work failed with.
    pub fn release(&mut self, input: SlotInput) -> Result<()> {
        let slot = &mut self.slots[input.slot];
        slot.staging.fence()?;
        slot.unguarded = false;
        Ok(())
    }
}

/// Where each part begins, and where the last one ends.
fn layout(parts: &[InputPart]) -> (Vec<usize>, usize) {
    let mut end: usize = 0;
    let starts = parts.iter().map(|part| {
        let start = end.next_multiple_of(ALIGNMENT);
        end = start + part.bytes.len();
        start
    });
    let starts: Vec<usize> = starts.collect();
    (starts, end)
}

/// Small tensors of a step, such as its loss, read a fixed number of steps late: by then they are
/// there, so that reading them does not wait.
///
/// ```
/// use tensor_core::{Tensor, transfer::LateValues};
/// # fn main() -> tensor_core::Result<()> {
/// # let device = tensor_core::Device::cpu()?;
/// let mut losses = LateValues::new(&device, 1, 2)?;
/// for step in 0..5 {
///     let late = losses.push(&Tensor::from_f32(&device, [1], &[step as f32])?)?;
///     assert_eq!(late, (step >= 2).then(|| vec![(step - 2) as f32]));
/// }
/// assert_eq!(losses.drain()?, [[3.0], [4.0]]);
/// # Ok(())
/// # }
/// ```
pub struct LateValues {
    values: usize,
    delay: usize,
    idle: Vec<Box<dyn Staging>>,
    on_the_way: VecDeque<Box<dyn Staging>>,
}

impl LateValues {
    /// A ring for tensors of `values` f32 elements that are read `delay` pushes late.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] on the host.
    pub fn new(device: &Device, values: usize, delay: usize) -> Result<LateValues> {
        let memory = device.memory().memory();
        let staging = |_| memory.staging(values * size_of::<f32>());
        let idle = (0..=delay).map(staging).collect::<Result<_>>()?;
        Ok(LateValues { values, delay, idle, on_the_way: VecDeque::new() })
    }

    /// Sends a tensor on its way, and gives the values of the one pushed `delay` calls earlier.
    ///
    /// # Errors
    /// [`Error::DType`] or [`Error::Elements`] if the tensor is not what the ring was made for;
    /// [`Error::Device`] with what earlier work failed with.
    pub fn push(&mut self, tensor: &Tensor) -> Result<Option<Vec<f32>>> {
        if tensor.dtype() != DType::F32 {
            let (op, expected, found) = ("late_values.push", DType::F32, tensor.dtype());
            return Err(Error::DType { op, expected, found });
        }
        if tensor.shape().elements() != self.values {
            return Err(Error::Elements { shape: tensor.shape(), found: self.values });
        }
        let Some(mut staging) = self.idle.pop() else {
            unreachable!("there is one more place than there can be values on the way")
        };
        let bytes = self.values * size_of::<f32>();
        // SAFETY: the tensor keeps its block alive until the copy has been given to the device, and
        // whoever gets the block then writes it behind the copy.
        let sent = unsafe { staging.download(tensor.as_slice().address(), bytes) };
        if let Err(error) = sent {
            self.idle.push(staging);
            return Err(error);
        }
        self.on_the_way.push_back(staging);
        if self.on_the_way.len() > self.delay { self.pop() } else { Ok(None) }
    }

    /// The values that are still on their way, the oldest first.
    ///
    /// # Errors
    /// [`Error::Device`] with what earlier work failed with.
    pub fn drain(&mut self) -> Result<Vec<Vec<f32>>> {
        let mut values = Vec::with_capacity(self.on_the_way.len());
        while let Some(next) = self.pop()? {
            values.push(next);
        }
        Ok(values)
    }

    fn pop(&mut self) -> Result<Option<Vec<f32>>> {
        let Some(mut staging) = self.on_the_way.pop_front() else { return Ok(None) };
        let values = staging.bytes().map(|bytes| from_bytes(bytes));
        self.idle.push(staging);
        values.map(Some)
    }
}
