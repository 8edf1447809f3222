declare const brand: unique symbol

/** A value whose shape was checked once, at the edge; the type is the proof. Costs nothing at run time. */
export type Branded<Value, Name extends string> = Value & { readonly [brand]: Name }
