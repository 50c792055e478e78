// As much of React as the printed hook needs: effects run once, and a new state renders again, as text on stdout.
let state;
let render;
let mounted = false;

exports.useState = (initial) => [
  state === undefined ? initial : state,
  (next) => {
    state = next;
    render();
  },
];
exports.useRef = (current) => ({ current });
exports.useEffect = (effect) => {
  if (!mounted) {
    mounted = true;
    effect();
  }
};
exports.createElement = (tag, attributes, ...children) =>
  `<${tag}${attributes && attributes.className ? ` ${attributes.className}` : ''}>${children.flat().join('')}</${tag}>`;
exports.run = (component) => {
  render = () => console.log(component());
  render();
};
