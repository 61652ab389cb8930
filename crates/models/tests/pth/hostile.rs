//! Files that are cut short, contradict themselves, or want more than to be read: each is an error with a reason, no
//! panic, and no more memory than the file's size allows.

use crate::containers::{Container, Contents, Storage, Tensor, Zip, tar};
use crate::memory::peak;
use crate::pickles::Pickle;
use crate::reading::sample;
use crate::{Random, read, refusal};

/// Bytes that reading may hold for each byte of the file, and for whatever is in it (buffers, messages).
const MOST_PER_BYTE: usize = 200;
const MOST_BESIDES: usize = 64 << 10;

fn assert_bounded(bytes: &[u8]) -> bool {
    let (read, held) = peak(|| read(bytes).is_ok());
    let most = MOST_PER_BYTE * bytes.len() + MOST_BESIDES;
    assert!(held <= most, "{held} bytes were held for a file of {}", bytes.len());
    read
}

/// A zip archive with this pickle and one storage.
fn archive(pickle: &[u8], storage: &[u8]) -> Vec<u8> {
    let mut zip = Zip::default();
    zip.entry("archive/data.pkl", pickle);
    zip.entry("archive/data/0", storage);
    zip.done()
}

/// A tensor `t` whose four numbers come from the caller.
fn tensor(elements: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let pickle = Pickle::new().op(b"}").text("t").global("torch._utils", "_rebuild_tensor_v2");
    let pickle = pickle.op(b"((").text("storage").global("torch", "FloatStorage").text("0");
    let pickle = pickle.text("cpu").number(elements).op(b"tQ").number(offset);
    pickle.numbers(shape).numbers(strides).op(b"\x89NtRs").done()
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for container in Container::ALL {
        let whole = sample().write(container);
        // What a tar ends with is empty.
        let end = if container == Container::Tar { whole.len() - 1024 } else { whole.len() };
        for length in (0..end).step_by(7).chain([end - 1]) {
            // The last member of the tar is padded.
            let is_padding =
                container == Container::Tar && whole[length..].iter().all(|&byte| byte == 0);
            assert!(!assert_bounded(&whole[..length]) || is_padding, "{container:?} {length}");
        }
    }
}

#[test]
fn changed_bytes_never_bring_it_down() {
    let mut random = Random(2017);
    for container in Container::ALL {
        let whole =
            Contents { nested: Some("state_dict"), parameters: true, ..sample() }.write(container);
        let mut refused = 0;
        for _ in 0..3000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(3) {
                let place = random.below(bytes.len());
                bytes[place] = match random.below(3) {
                    0 => random.next() as u8,
                    1 => bytes[place] ^ (1 << random.below(8)),
                    _ => 0xff,
                };
            }
            refused += usize::from(!assert_bounded(&bytes));
        }
        assert!(refused > 300, "{container:?}: only {refused} of 3000 were refused");
    }
}

#[test]
fn names_outside_the_list_are_refused_and_never_called() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("was-here");
    let command = format!("touch {}", trace.display());
    for (module, name) in [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch.storage", "_load_from_bytes"),
        ("torch._utils", "_rebuild_qtensor"),
        ("collections", "defaultdict"),
    ] {
        let called = Pickle::new().global(module, name).op(b"(").text(&command).op(b"tR").done();
        let stacked =
            Pickle::new().text(module).text(name).op(b"\x93(").text(&command).op(b"tR").done();
        for pickle in [called, stacked] {
            let message = refusal(&archive(&pickle, &[]));
            assert!(message.contains(&format!("`{module}.{name}`")), "{message}");
            assert!(
                message.contains("at byte") && message.contains("weights_only=False"),
                "{message}"
            );
        }
    }
    assert!(!trace.exists());
}

#[test]
fn deep_nesting_and_circles_cost_nothing() {
    // A tuple in a tuple in a tuple: reading and letting go must not recurse.
    let deep = Pickle::new().op(b")").op(&b"\x85".repeat(200_000)).done();
    assert!(refusal(&archive(&deep, &[])).contains("no dictionary of tensors"));
    let marks = Pickle::new().op(&b"(".repeat(200_000)).op(b"N").done();
    assert!(refusal(&archive(&marks, &[])).contains("no dictionary of tensors"));
    let lists = Pickle::new().op(&b"](".repeat(200_000)).done();
    refusal(&archive(&lists, &[]));
    // A dictionary whose state dict is itself, by way of the memo.
    let circle = Pickle::new().op(b"}q\x00").text("state_dict").op(b"h\x00s").done();
    assert!(refusal(&archive(&circle, &[])).contains("at the top are state_dict"));
    // A parameter whose tensor is itself.
    let own = Pickle::new().op(b"}").text("p").global("torch.nn.parameter", "Parameter");
    let own = own.op(b")\x81q\x00h\x00\x85bs").done();
    refusal(&archive(&own, &[]));
    for pickle in [deep, marks, lists, circle, own] {
        assert_bounded(&archive(&pickle, &[]));
    }
}

#[test]
fn views_outside_their_storage_are_refused() {
    let storage = [0; 40];
    assert!(read(&archive(&tensor(10, 0, &[10], &[1]), &storage)).is_ok());
    for (elements, offset, shape, strides, reason) in [
        (10, 1, &[10][..], &[1][..], "reaches beyond"),
        (10, 0, &[3, 4], &[4, 1], "reaches beyond"),
        (10, 0, &[2, 2], &[i64::MAX, 1], "reaches beyond"),
        (10, 0, &[2], &[-1], "negative"),
        (10, -1, &[2], &[1], "negative"),
        (10, 0, &[-2], &[1], "negative"),
        (10, 0, &[2], &[1, 1], "1 dimensions and 2 strides"),
        (10, 0, &[1; 65], &[1; 65], "65 dimensions"),
        (10, 0, &[i64::MAX, i64::MAX], &[0, 0], "more elements than can be addressed"),
        (10, 0, &[1_000_000_000_000], &[0], "more elements than the file has bytes"),
        (9, 0, &[9], &[1], "40 bytes where its pickle says 9 elements of 4 bytes"),
        (11, 0, &[10], &[1], "40 bytes where its pickle says 11 elements"),
        (i64::MAX, 0, &[10], &[1], "40 bytes"),
    ] {
        let file = archive(&tensor(elements, offset, shape, strides), &storage);
        let message = refusal(&file);
        assert!(message.contains(reason), "{reason}: {message}");
        assert_bounded(&file);
    }
}

/// A thousand views of one storage: a small file that would fill the memory.
#[test]
fn many_views_of_one_storage_are_a_bomb() {
    for container in Container::ALL {
        let contents = Contents {
            storages: vec![Storage::floats(&[1.0; 4096])],
            tensors: (0..1000).map(|i| Tensor::whole(&format!("t{i}"), 0, &[4096])).collect(),
            ..Contents::default()
        };
        let file = contents.write(container);
        assert!(refusal(&file).contains("more elements than the file has bytes"));
        assert_bounded(&file);
    }
}

#[test]
fn announced_sizes_are_checked_before_memory_is_taken() {
    let text = |length: u32| Pickle::new().op(b"X").op(&length.to_le_bytes()).op(b"a").done();
    let long_text = Pickle::new().op(b"\x8d").op(&(u64::MAX / 2).to_le_bytes()).op(b"a").done();
    for pickle in [text(u32::MAX), text(1 << 20), long_text] {
        assert_bounded(&archive(&pickle, &[]));
        refusal(&archive(&pickle, &[]));
    }
    // Numbers of storages, tensors and elements in a tar.
    let many = Pickle::new().number(i64::MAX).done();
    let none = Pickle::new().number(0).done();
    let empty = Pickle::new().op(b"]").done();
    let mut huge = Pickle::new().number(1).done();
    let storage = Pickle::new().number(1).text("cpu").global("torch", "FloatStorage");
    huge.extend(storage.op(b"\x87").done());
    huge.extend(i64::MAX.to_le_bytes());
    let no_storages = [none.as_slice(), &empty].concat();
    for (storages, tensors) in [(&many, &none), (&huge, &none), (&no_storages, &many)] {
        let file = tar(&[("storages", storages), ("tensors", tensors), ("pickle", &empty)]);
        assert!(!assert_bounded(&file));
    }
    // A legacy storage that is longer than the file, and one that its pickle describes otherwise.
    let legacy = sample().legacy();
    let length = legacy.len() - 4 * (54 + 2) - 16;
    for wrong in [i64::MAX, 1 << 40, 53, -1] {
        let mut file = legacy.clone();
        file[length..length + 8].copy_from_slice(&wrong.to_le_bytes());
        assert!(refusal(&file).contains("where its pickle says 54"));
        assert_bounded(&file);
    }
}

#[test]
fn pickles_that_no_pickler_writes_are_refused_by_place() {
    for (ops, reason) in [
        (&b"."[..], "takes more values"),
        (b"(0.", "takes more values"),
        (b"t.", "never set"),
        (b"h\x07.", "never kept"),
        (b"q\x00.", "takes more values"),
        (b"}NR.", "calls something that is no name"),
        (b"Na.", "takes more values"),
        (b"NNa.", "no list"),
        (b"NNNs.", "no dictionary"),
        (b"}(Nu.", "no dictionary"),
        (b"}Nb", "too early"),
        (b"NNb.", "takes none"),
        (b"NQ.", "describes a storage"),
        (b"I12\n.", "opcode 0x49"),
        (b"i", "opcode 0x69"),
        (b"\x80\x09.", "protocol 9"),
        (b"\x93.", "takes more values"),
    ] {
        let pickle = Pickle::new().op(ops).0;
        let message = refusal(&archive(&pickle, &[]));
        assert!(
            message.contains(reason) || message.contains("should follow"),
            "{reason}: {message}"
        );
    }
}

#[test]
fn archives_of_other_kinds_are_called_so() {
    let mut script = Zip::default();
    script.entry("model/data.pkl", b"");
    script.entry("model/constants.pkl", b"");
    assert!(refusal(&script.done()).contains("TorchScript"));
    let mut arrays = Zip::default();
    arrays.entry("weights.npy", b"");
    assert!(refusal(&arrays.done()).contains("torch.save did not write it"));
    assert!(refusal(&tar(&[("readme", b"hello")])).contains("without `storages`"));

    let mut packed = archive(&tensor(1, 0, &[1], &[1]), &[0; 4]);
    let directory = packed.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    packed[directory + 10] = 8;
    assert!(refusal(&packed).contains("compressed"));

    let state = Contents {
        storages: vec![Storage { class: "Byte", element: 1, bytes: vec![1, 2] }],
        tensors: vec![Tensor::whole("mask", 0, &[2])],
        ..Contents::default()
    };
    for container in Container::ALL {
        let message = refusal(&state.write(container));
        assert!(message.contains("`mask` has element type Byte"), "{message}");
    }
}
