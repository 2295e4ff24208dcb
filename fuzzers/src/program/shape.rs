//! What values look like and what they mean to their types.

use super::{Call, Program, Value};
use crate::description::{Kind, Type};

impl Value {
    /// Whether a value can stand where a type is asked for. Numbers can stand anywhere: a null or wild pointer.
    pub fn fits(&self, kind: &Type) -> bool {
        match (self, kind) {
            (Value::Number(_), _)
            | (Value::Resource(_), Type::Resource(_))
            | (Value::Window(_), Type::Window) => true,
            (Value::Data(_), kind) => {
                matches!(kind, Type::Path | Type::Bytes(..) | Type::Executable | Type::KernelImage)
            }
            (Value::Output(_), Type::Output(_)) | (Value::Strings(_), Type::Strings(_)) => true,
            (Value::Code(_), Type::Bpf | Type::Filter) => true,
            (Value::Record(values), Type::Record(fields)) => {
                values.len() == fields.len()
                    && values.iter().zip(*fields).all(|(value, (_, width, kind))| {
                        value.fits(kind) && (*width == 8 || !kind.is_pointer())
                    })
            }
            _ => false,
        }
    }

    /// Bytes that the value points at; 0 when it points at nothing.
    pub fn length(&self, kind: &Type) -> u64 {
        let length = match (self, kind) {
            (Value::Data(bytes), _) => bytes.len(),
            (Value::Output(room), _) => *room as usize,
            (Value::Code(code), _) => 8 * code.len(),
            (Value::Strings(strings), _) => 8 * (strings.len() + 1),
            (Value::Record(_), Type::Record(fields)) => {
                fields.iter().map(|(_, width, _)| usize::from(*width)).sum()
            }
            _ => 0,
        };
        length as u64
    }

    /// Elements that the value points at.
    pub fn count(&self) -> u64 {
        let count = match self {
            Value::Code(code) => code.len(),
            Value::Strings(strings) => strings.len(),
            Value::Data(bytes) => bytes.len(),
            _ => 0,
        };
        count as u64
    }

    /// Calls `visit` on every reference in the value, with what is wanted there.
    pub fn visit_references(&mut self, kind: &Type, visit: &mut dyn FnMut(Reference<'_>)) {
        match (self, kind) {
            (value @ Value::Resource(_), Type::Resource(wanted)) => {
                visit(Reference::Value(value, *wanted));
            }
            (Value::Record(values), Type::Record(fields)) => {
                for (value, (_, _, kind)) in values.iter_mut().zip(*fields) {
                    value.visit_references(kind, visit);
                }
            }
            (Value::Code(code), _) => {
                for instruction in code {
                    if instruction.resource.is_some() {
                        visit(Reference::Instruction(&mut instruction.resource));
                    }
                }
            }
            _ => {}
        }
    }
}

/// A place that refers to an earlier call.
#[derive(Debug)]
pub enum Reference<'a> {
    /// A `Value::Resource`, and the kind wanted there.
    Value(&'a mut Value, Kind),
    /// The map of an instruction.
    Instruction(&'a mut Option<usize>),
}

/// What stands where no resource is: an invalid descriptor.
pub const NO_DESCRIPTOR: u64 = -1i64 as u64;

impl Reference<'_> {
    /// The index of the call referred to.
    pub fn target(&self) -> Option<usize> {
        match self {
            Reference::Value(Value::Resource(target), _) => Some(*target),
            Reference::Value(..) => None,
            Reference::Instruction(target) => **target,
        }
    }

    /// The kind of resource that may stand here.
    pub fn wanted(&self) -> Kind {
        match self {
            Reference::Value(_, kind) => *kind,
            Reference::Instruction(_) => Kind::BpfMap,
        }
    }

    /// Refers to another call, or to nothing.
    pub fn point_to(self, target: Option<usize>) {
        match self {
            Reference::Value(value, _) => {
                *value = target.map_or(Value::Number(NO_DESCRIPTOR), Value::Resource);
            }
            Reference::Instruction(resource) => *resource = target,
        }
    }
}

impl Call {
    pub fn visit_references(&mut self, visit: &mut dyn FnMut(Reference<'_>)) {
        for (argument, (_, kind)) in self.arguments.iter_mut().zip(self.description.arguments) {
            argument.visit_references(kind, visit);
        }
    }

    /// Makes every length and count right again.
    pub fn measure(&mut self) {
        let kinds: Vec<Type> = self.description.arguments.iter().map(|(_, kind)| *kind).collect();
        measure(&mut self.arguments, &kinds);
    }
}

fn measure(values: &mut [Value], kinds: &[Type]) {
    for (value, kind) in values.iter_mut().zip(kinds) {
        if let (Value::Record(fields), Type::Record(schema)) = (value, kind) {
            let kinds: Vec<Type> = schema.iter().map(|(_, _, kind)| *kind).collect();
            measure(fields, &kinds);
        }
    }
    for index in 0..values.len().min(kinds.len()) {
        let measured = match kinds[index] {
            Type::LengthOf(of) => values.get(of).zip(kinds.get(of)).map(|(value, kind)| value.length(kind)),
            Type::CountOf(of) => values.get(of).map(Value::count),
            _ => None,
        };
        if let Some(measured) = measured {
            values[index] = Value::Number(measured);
        }
    }
}

impl Program {
    /// Whether every value fits its type and every reference names an earlier call that gives what is wanted.
    pub fn is_sound(&self) -> bool {
        self.calls.iter().enumerate().all(|(index, call)| {
            let parameters = call.description.arguments;
            let mut sound = call.arguments.len() == parameters.len()
                && call.arguments.iter().zip(parameters).all(|(value, (_, kind))| value.fits(kind));
            call.clone().visit_references(&mut |reference| {
                sound &= reference
                    .target()
                    .is_some_and(|target| target < index && self.gives(target, reference.wanted()));
            });
            sound
        })
    }

    /// Whether the call with this index gives a resource that serves as `wanted`.
    pub fn gives(&self, index: usize, wanted: Kind) -> bool {
        let result = self.calls.get(index).and_then(|call| call.description.result);
        result.is_some_and(|kind| wanted.accepts(kind))
    }

    /// The calls before `end` that give what is wanted.
    pub fn givers(&self, end: usize, wanted: Kind) -> Vec<usize> {
        (0..end.min(self.calls.len())).filter(|index| self.gives(*index, wanted)).collect()
    }
}
