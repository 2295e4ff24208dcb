//! The few instructions of x86-64 that modules made by hand need (Intel SDM, volume 2).

use super::Target;

/// Machine code under construction.
#[derive(Debug, Clone, Default)]
pub struct Code {
    pub bytes: Vec<u8>,
    /// Places of 32-bit distances to be filled in, and what they lead to.
    pub distances: Vec<(usize, Target)>,
}

/// The registers of the first three arguments and of the result.
#[derive(Debug, Clone, Copy)]
pub enum Register {
    Rdi,
    Rsi,
    Rdx,
    Rax,
}

impl Code {
    /// Where the next instruction will be.
    pub fn here(&self) -> usize {
        self.bytes.len()
    }

    /// Instructions as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Code {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// `endbr64; sub rsp, 8`: the stack is aligned for calls then.
    pub fn enter(&mut self) -> &mut Code {
        self.raw(&[0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x83, 0xec, 0x08])
    }

    /// `add rsp, 8; ret`.
    pub fn leave(&mut self) -> &mut Code {
        self.raw(&[0x48, 0x83, 0xc4, 0x08, 0xc3])
    }

    /// `call symbol`.
    pub fn call(&mut self, symbol: &'static str) -> &mut Code {
        self.raw(&[0xe8]).distance(Target::Symbol(symbol))
    }

    /// `lea register, [rip + data]`.
    pub fn address(&mut self, register: Register, offset: usize) -> &mut Code {
        let field = match register {
            Register::Rax => 0x05,
            Register::Rdx => 0x15,
            Register::Rsi => 0x35,
            Register::Rdi => 0x3d,
        };
        self.with_data(&[0x48, 0x8d, field], offset)
    }

    /// An instruction that ends in `[rip + data]`.
    pub fn with_data(&mut self, instruction: &[u8], offset: usize) -> &mut Code {
        self.raw(instruction).distance(Target::Data(offset))
    }

    /// `mov register, value`, extended with its sign.
    pub fn number(&mut self, register: Register, value: i32) -> &mut Code {
        let field = match register {
            Register::Rax => 0xc0,
            Register::Rdx => 0xc2,
            Register::Rsi => 0xc6,
            Register::Rdi => 0xc7,
        };
        self.raw(&[0x48, 0xc7, field]).raw(&value.to_le_bytes())
    }

    /// The body so many times: `push rbx; mov ebx, times; body; dec ebx; jnz body; pop rbx`.
    pub fn repeat(&mut self, times: u32, body: impl FnOnce(&mut Code)) -> &mut Code {
        self.raw(&[0x53, 0xbb]).raw(&times.to_le_bytes());
        // An odd number of words on the stack again.
        self.raw(&[0x48, 0x83, 0xec, 0x08]);
        let start = self.here();
        body(self);
        self.raw(&[0xff, 0xcb, 0x0f, 0x85]);
        let back = start as i32 - (self.here() as i32 + 4);
        self.raw(&back.to_le_bytes()).raw(&[0x48, 0x83, 0xc4, 0x08, 0x5b])
    }

    /// A distance to the target from the end of this field, which ends its instruction.
    fn distance(&mut self, target: Target) -> &mut Code {
        self.distances.push((self.here(), target));
        self.raw(&[0; 4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_leads_back_to_its_body() {
        let mut code = Code::default();
        code.repeat(3, |code| {
            code.raw(&[0x90]);
        });
        let jump = code.bytes.windows(2).position(|bytes| bytes == [0x0f, 0x85]).unwrap();
        let distance = i32::from_le_bytes(code.bytes[jump + 2..jump + 6].try_into().unwrap());
        assert_eq!(code.bytes[(jump as i32 + 6 + distance) as usize], 0x90);
    }

    #[test]
    fn distances_are_where_the_instruction_has_them() {
        let mut code = Code::default();
        code.enter().address(Register::Rdi, 16).call("printk").leave();
        assert_eq!(code.distances, [(11, Target::Data(16)), (16, Target::Symbol("printk"))]);
        assert_eq!(code.bytes.len(), 25);
    }
}
