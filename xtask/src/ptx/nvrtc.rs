//! NVIDIA's run-time compiler, called from its library: CUDA C++ to PTX.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

use anyhow::{Context, Result, bail};
use libloading::{Library, Symbol};

type Program = *mut c_void;
type Code = c_int;

/// What every function of the library gives when all went well.
const SUCCESS: Code = 0;

/// The loaded library.
pub struct Compiler {
    library: Library,
}

/// A program that is destroyed when it goes.
struct Compilation<'a> {
    compiler: &'a Compiler,
    program: Program,
}

impl Compiler {
    /// Loads the library at `path`.
    pub fn load(path: &Path) -> Result<Compiler> {
        // SAFETY: the file is NVIDIA's library, its hash was checked when it was fetched; its
        // initialisers have no demands on the process.
        let library = unsafe { Library::new(path) }
            .with_context(|| format!("loading {}; it needs x86-64 Linux", path.display()))?;
        Ok(Compiler { library })
    }

    /// The PTX of a source. A warning is as bad as an error.
    pub fn compile(&self, name: &str, source: &str, options: &[String]) -> Result<String> {
        let compilation = self.create(name, source)?;
        let code = compilation.run(options)?;
        let log = compilation.text(b"nvrtcGetProgramLogSize\0", b"nvrtcGetProgramLog\0")?;
        if code != SUCCESS {
            bail!("{}:\n{}", self.describe(code), log.trim());
        }
        if log.contains("warning") {
            bail!("it compiles with warnings:\n{}", log.trim());
        }
        compilation.text(b"nvrtcGetPTXSize\0", b"nvrtcGetPTX\0")
    }

    fn create(&self, name: &str, source: &str) -> Result<Compilation<'_>> {
        type Create = unsafe extern "C" fn(
            *mut Program,
            *const c_char,
            *const c_char,
            c_int,
            *const *const c_char,
            *const *const c_char,
        ) -> Code;
        let (name, source) = (CString::new(name)?, CString::new(source)?);
        let mut program = ptr::null_mut();
        // SAFETY: the type is that of the library's function; the strings outlive the call, which
        // copies them, and no headers are passed.
        let code = unsafe {
            let create: Symbol<Create> = self.library.get(b"nvrtcCreateProgram\0")?;
            create(&mut program, source.as_ptr(), name.as_ptr(), 0, ptr::null(), ptr::null())
        };
        self.check(code, "creating a program")?;
        Ok(Compilation { compiler: self, program })
    }

    fn check(&self, code: Code, what: &str) -> Result<()> {
        if code != SUCCESS {
            bail!("{what}: {}", self.describe(code));
        }
        Ok(())
    }

    fn describe(&self, code: Code) -> String {
        type Describe = unsafe extern "C" fn(Code) -> *const c_char;
        // SAFETY: the type is that of the library's function, which gives a string that lives as long
        // as the library.
        unsafe {
            match self.library.get::<Describe>(b"nvrtcGetErrorString\0") {
                Ok(describe) => CStr::from_ptr(describe(code)).to_string_lossy().into_owned(),
                Err(_) => format!("error {code}"),
            }
        }
    }
}

impl Compilation<'_> {
    fn run(&self, options: &[String]) -> Result<Code> {
        type Compile = unsafe extern "C" fn(Program, c_int, *const *const c_char) -> Code;
        let options: Vec<CString> =
            options.iter().map(|option| CString::new(option.as_str())).collect::<Result<_, _>>()?;
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the type is that of the library's function; the program is live and the strings
        // outlive the call.
        unsafe {
            let compile: Symbol<Compile> = self.compiler.library.get(b"nvrtcCompileProgram\0")?;
            Ok(compile(self.program, c_int::try_from(pointers.len())?, pointers.as_ptr()))
        }
    }

    /// A text that the library gives by its size and then its bytes, the last of them a zero.
    fn text(&self, size_function: &[u8], function: &[u8]) -> Result<String> {
        type Size = unsafe extern "C" fn(Program, *mut usize) -> Code;
        type Text = unsafe extern "C" fn(Program, *mut c_char) -> Code;
        let mut bytes = 0;
        // SAFETY: the types are those of the library's functions, the program is live, and the
        // buffer has as many bytes as the library asked for.
        let text = unsafe {
            let size: Symbol<Size> = self.compiler.library.get(size_function)?;
            self.compiler.check(size(self.program, &mut bytes), "asking for a text's size")?;
            let mut text = vec![0u8; bytes.max(1)];
            let get: Symbol<Text> = self.compiler.library.get(function)?;
            self.compiler
                .check(get(self.program, text.as_mut_ptr().cast()), "asking for a text")?;
            text
        };
        let text = CStr::from_bytes_until_nul(&text).context("a text without an end")?;
        Ok(text.to_str().context("a text that is not UTF-8")?.to_string())
    }
}

impl Drop for Compilation<'_> {
    fn drop(&mut self) {
        type Destroy = unsafe extern "C" fn(*mut Program) -> Code;
        // SAFETY: the type is that of the library's function; the program is live and not used again.
        unsafe {
            if let Ok(destroy) = self.compiler.library.get::<Destroy>(b"nvrtcDestroyProgram\0") {
                destroy(&mut self.program);
            }
        }
    }
}
