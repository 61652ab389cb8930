//! A small writer of each of the three containers, by what PyTorch's own writers did.

use crate::pickles::Pickle;

/// Values of a storage as bytes, and its class without `Storage`.
#[derive(Clone)]
pub struct Storage {
    pub class: &'static str,
    pub element: usize,
    pub bytes: Vec<u8>,
}

impl Storage {
    pub fn floats(values: &[f32]) -> Storage {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Storage { class: "Float", element: 4, bytes }
    }

    pub fn elements(&self) -> i64 {
        (self.bytes.len() / self.element) as i64
    }
}

/// A tensor: a view of one of the storages.
#[derive(Clone)]
pub struct Tensor {
    pub name: String,
    pub storage: usize,
    pub offset: i64,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
}

impl Tensor {
    /// In row-major order from the storage's beginning.
    pub fn whole(name: &str, storage: usize, shape: &[i64]) -> Tensor {
        let mut strides = vec![1; shape.len()];
        for dimension in (1..shape.len()).rev() {
            strides[dimension - 1] = strides[dimension] * shape[dimension];
        }
        Tensor { name: name.to_owned(), storage, offset: 0, shape: shape.to_vec(), strides }
    }
}

/// What a file holds.
#[derive(Clone, Default)]
pub struct Contents {
    pub storages: Vec<Storage>,
    pub tensors: Vec<Tensor>,
    /// The key under which the state dict lies, beside an epoch and a float; none for a plain state dict.
    pub nested: Option<&'static str>,
    /// Whether the tensors are `torch.nn.Parameter`.
    pub parameters: bool,
    /// What the zip container's entry `byteorder` says, if it has one.
    pub byte_order: Option<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Container {
    Tar,
    Legacy,
    Zip,
}

impl Container {
    pub const ALL: [Container; 3] = [Container::Tar, Container::Legacy, Container::Zip];
}

impl Contents {
    pub fn write(&self, container: Container) -> Vec<u8> {
        match container {
            Container::Tar => self.tar(),
            Container::Legacy => self.legacy(),
            Container::Zip => self.zip(),
        }
    }

    /// The pickled object, with `tensor` writing each tensor.
    fn pickle(&self, tensor: impl Fn(Pickle, &Tensor) -> Pickle) -> Vec<u8> {
        let mut pickle = Pickle::new();
        if let Some(key) = self.nested {
            pickle = pickle.op(b"}q\x00(").text("epoch").number(90);
            pickle = pickle.text("best").op(b"G").op(&91.78_f64.to_be_bytes()).text(key);
        }
        pickle = pickle.ordered_dict().op(b"q\x01(");
        for each in &self.tensors {
            pickle = tensor(pickle.text(&each.name), each);
        }
        pickle = pickle.op(b"u");
        // Versions of the modules, which newer files have as the dictionary's state.
        pickle = pickle.op(b"}").text("_metadata").ordered_dict().op(b"sb");
        if self.nested.is_some() {
            pickle = pickle.op(b"u");
        }
        pickle.done()
    }

    /// `_rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks)`, perhaps as a parameter.
    fn rebuilt(&self, pickle: Pickle, tensor: &Tensor, legacy: bool) -> Pickle {
        let storage = &self.storages[tensor.storage];
        let mut pickle = pickle;
        if self.parameters {
            pickle = pickle.global("torch._utils", "_rebuild_parameter").op(b"(");
        }
        pickle = pickle.global("torch._utils", "_rebuild_tensor_v2").op(b"((").text("storage");
        pickle = pickle.global("torch", &format!("{}Storage", storage.class));
        pickle = pickle.text(&key(tensor.storage)).text("cpu").number(storage.elements());
        if legacy {
            pickle = pickle.op(b"N");
        }
        pickle = pickle.op(b"tQ").number(tensor.offset);
        pickle = pickle.numbers(&tensor.shape).numbers(&tensor.strides).op(b"\x89");
        pickle = pickle.ordered_dict().op(b"tR");
        if self.parameters { pickle.op(b"\x88").ordered_dict().op(b"tR") } else { pickle }
    }

    pub fn legacy(&self) -> Vec<u8> {
        let mut file = Pickle::new().op(&MAGIC).done();
        file.extend(Pickle::new().number(1001).done());
        file.extend(Pickle::new().op(b"}").text("little_endian").op(b"\x88s").done());
        file.extend(self.pickle(|pickle, tensor| self.rebuilt(pickle, tensor, true)));
        let used = self.used();
        let marked = Pickle::new().op(b"](");
        let keys = used.iter().fold(marked, |pickle, &storage| pickle.text(&key(storage)));
        file.extend(keys.op(b"e").done());
        for storage in used {
            file.extend(self.storages[storage].elements().to_le_bytes());
            file.extend(&self.storages[storage].bytes);
        }
        file
    }

    /// Only what tensors use is written.
    fn used(&self) -> Vec<usize> {
        (0..self.storages.len())
            .filter(|&storage| self.tensors.iter().any(|tensor| tensor.storage == storage))
            .collect()
    }

    pub fn zip(&self) -> Vec<u8> {
        let pickle = self.pickle(|pickle, tensor| self.rebuilt(pickle, tensor, false));
        let mut archive = Zip::default();
        archive.entry("archive/data.pkl", &pickle);
        if let Some(order) = self.byte_order {
            archive.entry("archive/byteorder", order.as_bytes());
        }
        for storage in self.used() {
            archive.entry(&format!("archive/data/{}", key(storage)), &self.storages[storage].bytes);
        }
        archive.entry("archive/version", b"3\n");
        archive.done()
    }

    pub fn tar(&self) -> Vec<u8> {
        let mut storages = Pickle::new().number(self.storages.len() as i64).done();
        for (index, storage) in self.storages.iter().enumerate() {
            let class = format!("{}Storage", storage.class);
            let pickle = Pickle::new().number(address(index)).text("cpu");
            storages.extend(pickle.global("torch", &class).op(b"\x87").done());
            storages.extend(storage.elements().to_le_bytes());
            storages.extend(&storage.bytes);
        }
        storages.extend(Pickle::new().op(b"]").done());

        let mut tensors = Pickle::new().number(self.tensors.len() as i64).done();
        for (index, tensor) in self.tensors.iter().enumerate() {
            let class = format!("{}Tensor", self.storages[tensor.storage].class);
            let pickle = Pickle::new().number(index as i64).number(address(tensor.storage));
            tensors.extend(pickle.global("torch", &class).op(b"\x87").done());
            tensors.extend((tensor.shape.len() as u32).to_le_bytes());
            tensors.extend([7, 0, 0, 0]);
            for number in tensor.shape.iter().chain(&tensor.strides).chain([&tensor.offset]) {
                tensors.extend(number.to_le_bytes());
            }
        }
        let index = |tensor: &Tensor| {
            let mut names = self.tensors.iter();
            names.position(|other| other.name == tensor.name).unwrap().to_string()
        };
        let pickle = self.pickle(|pickle, tensor| {
            if !self.parameters {
                return pickle.text(&index(tensor)).op(b"Q");
            }
            let pickle = pickle.global("torch.nn.parameter", "Parameter").op(b")\x81(");
            pickle.text(&index(tensor)).op(b"QNN\x88\x89tb")
        });
        let system = Pickle::new().op(b"}").text("little_endian").op(b"\x88s").done();
        tar(&[
            ("sys_info", &system),
            ("pickle", &pickle),
            ("tensors", &tensors),
            ("storages", &storages),
        ])
    }
}

/// LONG1 of the ten bytes that open a legacy file.
const MAGIC: [u8; 12] = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

fn key(storage: usize) -> String {
    format!("9402025549509{storage}")
}

fn address(storage: usize) -> i64 {
    404_880_640 + storage as i64
}

/// A PAX tar: before each member a header with its time.
pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut member = |name: &str, kind: u8, bytes: &[u8]| {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..136].copy_from_slice(format!("{:011o}\0", bytes.len()).as_bytes());
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        file.extend(header);
        file.extend(bytes);
        file.resize(file.len().next_multiple_of(512), 0);
    };
    for (name, bytes) in members {
        member("././@PaxHeader", b'x', b"26 mtime=1483719550.98166\n");
        member(name, b'0', bytes);
    }
    file.resize(file.len() + 1024, 0);
    file
}

/// A zip archive as PyTorch writes it: entries padded to 64 bytes, sizes after them.
#[derive(Default)]
pub struct Zip {
    file: Vec<u8>,
    directory: Vec<u8>,
    entries: u16,
}

impl Zip {
    pub fn entry(&mut self, name: &str, bytes: &[u8]) {
        let offset = self.file.len() as u32;
        let padding = (self.file.len() + 30 + name.len() + 4).next_multiple_of(64)
            - (self.file.len() + 30 + name.len() + 4);
        let shorts = |numbers: &[u16]| -> Vec<u8> {
            numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
        };
        self.file.extend(b"PK\x03\x04");
        // Version, flags (sizes follow), method, time, date, and zeros for checksum and sizes.
        self.file.extend(shorts(&[0, 0x808, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        self.file.extend(shorts(&[name.len() as u16, padding as u16 + 4]));
        self.file.extend(name.as_bytes());
        self.file.extend(b"FB");
        self.file.extend((padding as u16).to_le_bytes());
        self.file.resize(self.file.len() + padding, b'Z');
        self.file.extend(bytes);
        self.file.extend(b"PK\x07\x08\0\0\0\0");
        self.file.extend((bytes.len() as u32).to_le_bytes().repeat(2));

        self.directory.extend(b"PK\x01\x02");
        self.directory.extend(shorts(&[0, 0, 0x808, 0, 0, 0, 0, 0]));
        self.directory.extend((bytes.len() as u32).to_le_bytes().repeat(2));
        self.directory.extend(shorts(&[name.len() as u16, 0, 0, 0, 0, 0, 0]));
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.entries += 1;
    }

    pub fn done(self) -> Vec<u8> {
        let Zip { mut file, directory, entries } = self;
        let start = file.len() as u32;
        file.extend(&directory);
        file.extend(b"PK\x05\x06\0\0\0\0");
        file.extend(entries.to_le_bytes().repeat(2));
        file.extend((directory.len() as u32).to_le_bytes());
        file.extend(start.to_le_bytes());
        file.extend([0, 0]);
        file
    }
}
