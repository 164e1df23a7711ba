// Stands in for react-style-singleton, with which GraphiQL's dialogs and menus would add a <style>
// element that stops the page behind them from scrolling. This page never scrolls, and without that
// element its Content-Security-Policy can stay at style-src 'self'.

const Nothing = () => null;
const useNothing = () => undefined;

export const styleSingleton = () => Nothing;
export const styleHookSingleton = () => useNothing;
export const stylesheetSingleton = () => ({ add: useNothing, remove: useNothing });
