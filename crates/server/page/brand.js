// Brand kits, templates and what they make of a picture.

export function setUp() {}

export function enter() {}
